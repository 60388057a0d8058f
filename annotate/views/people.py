"""User management for admins, and people's own settings."""

import contextlib
import operator
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotate import people
from annotate.hours import Totals, iter_csv_lines, iter_hours, list_totals
from annotate.models import User
from annotate.people_forms import (
    AssignmentsForm,
    ChangePasswordForm,
    HoursForm,
    InviteForm,
    LanguageForm,
    NewPasswordForm,
    PersonForm,
    ProfileForm,
    SearchForm,
)
from datasets.audit.dataset_state import mark_done
from datasets.models import Dataset
from datasets.views.access import UserRequest, admin_required, anyone, dataset_admin_required, signed_in
from datasets.views.downloads import stream_csv
from datasets.views.moved import posted_from
from datasets.views.sorting import Keys, cut_page, parse_sort, sort_rows

PEOPLE_A_PAGE = 50
SORTED_BY: Keys = {
    "name": lambda row: row.person.username,
    "role": lambda row: str(row.person.get_role_display()),
    "status": lambda row: str(row.status.label),
    "active": lambda row: row.last_active,
    "joined": lambda row: row.person.date_joined,
    "judgments": lambda row: row.judgments,
}
TIMESHEET_ROWS = 200
SORTED_TOTALS: Keys = {name: operator.attrgetter(name) for name in Totals._fields}
BACKEND = "django.contrib.auth.backends.ModelBackend"
SESSION_TOKEN = "choose"  # replaces the token in the URL once the session holds it
ACT_MESSAGES = {
    "role": gettext_lazy("Saved."),
    "deactivate": gettext_lazy("%(name)s is deactivated: signed out, items released."),
    "reactivate": gettext_lazy("%(name)s can sign in again."),
}


@admin_required
@require_safe
def people_list(request: UserRequest) -> HttpResponse:
    """The members, a page at a time, filtered by name, role and status."""
    query, order = request.GET.copy(), parse_sort(request, SORTED_BY, "name")
    find = SearchForm(query)
    if not find.is_valid():
        raise BadRequest(find.errors.as_text())
    by_index = order == "name"
    users = find.apply(User.objects.all(), pages=by_index)
    rows = people.list_work(users[: PEOPLE_A_PAGE + 1] if by_index else users)
    after = "" if by_index else find.cleaned_data["after"]
    page, last = cut_page(rows if by_index else sort_rows(rows, order, SORTED_BY), after, PEOPLE_A_PAGE, get_name)
    query.pop("after", None)
    first = query.urlencode()
    query["after"] = last or ""
    context = {
        "people": page,
        "sorting": order,
        "find": find,
        "is_filtered": any(find.cleaned_data[name] for name in ("q", "role", "status")),
        "first": first,
        "is_first": not find.cleaned_data["after"],
        "next": query.urlencode() if last else None,
    }
    return render(request, "people/list.html", context)


def get_name(row: people.Work) -> str:
    return row.person.username


@admin_required
@require_safe
def timesheet(request: UserRequest) -> HttpResponse:
    """The hours of a range of days, by person and dataset; of this month unless the query says otherwise."""
    query = request.GET.copy()
    if "since" not in query:
        query["since"] = timezone.localdate().replace(day=1).isoformat()
    return show_timesheet(request, HoursForm(query))


def show_timesheet(request: UserRequest, form: HoursForm) -> HttpResponse:
    """The page with this form; 400 if it is invalid."""
    form.fill_people()
    rows: list[Totals] = []
    order = parse_sort(request, SORTED_TOTALS, "annotator")
    if form.is_valid():
        zone = timezone.get_current_timezone()
        rows = sort_rows(list_totals(**form.cleaned_data, zone=zone), order, SORTED_TOTALS)
    context = {
        "form": form,
        "rows": rows[:TIMESHEET_ROWS],
        "is_cut": len(rows) > TIMESHEET_ROWS,
        "sorting": order,
        "totals": {name: sum(getattr(row, name) for row in rows) for name in ("judgments", "skips", "hours")},
    }
    return render(request, "people/timesheet.html", context, status=200 if form.is_valid() else 400)


@admin_required
@require_safe
def hours_file(request: UserRequest) -> HttpResponse | StreamingHttpResponse:
    """The hours of a range of days as CSV."""
    form = HoursForm(request.GET)
    if not form.is_valid():
        return show_timesheet(request, form)
    lines = iter_csv_lines(iter_hours(**form.cleaned_data, zone=timezone.get_current_timezone()))
    return stream_csv(lines, "timesheet.csv")


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: UserRequest) -> HttpResponse:
    """Invites a new user, with role and datasets, and issues their link."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = people.invite(**form.cleaned_data, by=request.user)
        except people.NameTaken:
            form.add_error("name", _("This username is taken."))
        else:
            people.issue_link(person, request.user)
            return redirect("person-link", person.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "people/invite.html", {"form": form}, status=status)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def person_page(request: UserRequest, pk: int) -> HttpResponse:
    """One user, with the acts of PersonForm, and the datasets they are assigned to."""
    person = get_object_or_404(User, pk=pk)
    assigns = request.POST.get("act") == AssignmentsForm.ACT
    assignments = AssignmentsForm(request.POST if assigns else None, person)
    if assignments.is_valid() and assignments.save(request.user):
        messages.success(request, _("Saved."))
        return redirect("person", person.pk)
    is_act = request.method == "POST" and not assigns
    form = PersonForm(request.POST if is_act else None, initial={"role": person.role})
    if form.is_valid():
        try:
            return redirect_after_act(request, person, form.save(person, request.user))
        except people.LastAdmin:
            form.add_error("role", _("This is the last admin who can sign in. Make another member an admin first."))
    context = {
        "form": form,
        "assignments": assignments,
        "row": people.list_work([person])[0],
        "is_last_admin": people.is_last_admin(person),
    }
    return render(request, "people/person.html", context, status=422 if request.method == "POST" else 200)


def redirect_after_act(request: UserRequest, person: User, act: str) -> HttpResponse:
    """Redirects to the link or the person; to the home page if the act ended the user's own admin rights."""
    if act == "reset":
        people.issue_link(person, request.user)
        return redirect("person-link", person.pk)
    messages.success(request, ACT_MESSAGES[act] % {"name": person.username})
    still_admin = User.objects.filter(pk=request.user.pk, role=User.Role.ADMIN, is_active=True).exists()
    return redirect("person", person.pk) if still_admin else redirect("home")


@dataset_admin_required
@posted_from("annotators", "slug")
def invite_to_dataset(request: UserRequest, dataset: Dataset) -> HttpResponse:
    """Invites an annotator from a page of the dataset and issues their link; the page shows it."""
    form = InviteForm({"name": request.POST.get("name", ""), "role": User.Role.ANNOTATOR})
    page = reverse("dataset" if dataset.state == Dataset.State.DRAFT else "annotators", args=[dataset.slug])
    if form.is_valid():
        with contextlib.suppress(people.NameTaken):
            person = people.invite(form.cleaned_data["name"], User.Role.ANNOTATOR, request.user, [dataset])
            people.issue_link(person, request.user)
            mark_done(dataset, "annotators")
            return redirect(f"{page}?{urlencode({'invited': person.pk})}#invite")
    return redirect(f"{page}?{urlencode({'name': request.POST.get('name', '')})}#invite")


def find_invitation(request: UserRequest) -> dict[str, Any]:
    """What the invitation form of this page says after a POST; empty if there is nothing.

    {person, link, ends} of the member just invited, or {name, errors} of a refused username.
    """
    if "name" in request.GET:
        return {"name": request.GET["name"], "errors": list_name_errors(request.GET["name"])}
    pk = request.GET.get("invited", "")
    person = User.objects.filter(pk=pk).first() if pk.isascii() and pk.isdecimal() and len(pk) < 19 else None
    link = people.find_current_link(person, request.user) if person else None
    if link is None:
        return {}
    return {"person": person, "link": request.build_absolute_uri(link.path), "ends": link.ends}


def list_name_errors(name: str) -> list[str]:
    """Why nobody can be invited under this username; empty if somebody can."""
    errors = list(map(str, InviteForm({"name": name}).errors.get("name", ())))
    if not errors and people.is_taken(name):
        errors = [_("This username is taken.")]
    return errors


@admin_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def person_link(request: UserRequest, pk: int) -> HttpResponse:
    """The link for this person to choose a password, for the admin to pass on. A POST issues a new one."""
    person = get_object_or_404(User, pk=pk)
    if request.method == "POST":
        people.issue_link(person, request.user)
        return redirect("person-link", person.pk)
    link = people.find_current_link(person, request.user)
    context = {
        "person": person,
        "link": link and request.build_absolute_uri(link.path),
        "ends": link and link.ends,
    }
    return render(request, "people/link.html", context)


@anyone
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choose_password(request: HttpRequest, uidb64: str, token: str) -> HttpResponse:
    """The page of an invitation. Moves the token from the URL into the session first, out of history and Referer."""
    link_token = request.session.get("invitation", "") if token == SESSION_TOKEN else token
    person = people.find_invited(uidb64, link_token)
    if person is None:
        return render(request, "people/gone.html", status=410)
    if token != SESSION_TOKEN:
        request.session["invitation"] = token
        return redirect("invite", uidb64, SESSION_TOKEN)
    form = NewPasswordForm(person, request.POST if request.method == "POST" else None)
    if not form.is_valid():
        context = {"form": form, "person": person}
        return render(request, "people/choose_password.html", context, status=422 if form.is_bound else 200)
    person = people.choose_password(uidb64, link_token, form.cleaned_data["new_password1"])
    if person is None:
        return render(request, "people/gone.html", status=410)
    login(request, person, BACKEND)
    request.session.pop("invitation", None)
    return redirect("home")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: UserRequest) -> HttpResponse:
    """The person's language and time zone."""
    now = {"language": request.user.language, "time_zone": request.user.time_zone}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=now)
    if not form.is_valid():
        return show_profile(request, form, ChangePasswordForm(request.user))
    form.save(request.user)
    language = form.cleaned_data["language"]
    if language:
        translation.activate(language)  # for the message below
    messages.success(request, _("Saved."))
    response = redirect("profile")
    if not language:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME)
    return response


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: UserRequest) -> HttpResponse:
    """Changes the person's own password. Keeps this browser signed in and signs out the others."""
    if request.method != "POST":  # a POST after signing out returns from the sign-in as a GET
        return redirect("profile")
    form = ChangePasswordForm(request.user, request.POST)
    if not form.is_valid():
        now = {"language": request.user.language, "time_zone": request.user.time_zone}
        return show_profile(request, ProfileForm(initial=now), form)
    people.change_password(request.user, form.cleaned_data["new_password1"])
    update_session_auth_hash(request, request.user)
    messages.success(request, _("Password changed. Other browsers are signed out."))
    return redirect("profile")


def show_profile(request: UserRequest, form: ProfileForm, password_form: ChangePasswordForm) -> HttpResponse:
    wrong = (form.is_bound and form.errors) or (password_form.is_bound and password_form.errors)
    context = {"form": form, "password_form": password_form, "now": timezone.now()}
    return render(request, "people/profile.html", context, status=422 if wrong else 200)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def language(request: UserRequest) -> HttpResponse:
    """The language switch at the top of each page: saves the language and redirects to the same page."""
    form = LanguageForm(request.POST)
    if request.method == "POST" and form.is_valid():
        people.choose_language(request.user, form.cleaned_data["language"])
    path = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(path, {request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(path) if is_ours and path.startswith("/") else redirect("home")
