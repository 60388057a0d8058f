"""User management for admins, and people's own settings."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from annotate import people
from annotate.hours import iter_csv_lines, iter_hours
from annotate.models import User
from annotate.people_forms import (
    ChangePasswordForm,
    HoursForm,
    InviteForm,
    LanguageForm,
    NewPasswordForm,
    PersonForm,
    ProfileForm,
    SearchForm,
)
from datasets.views.access import UserRequest, admin_required, anyone, signed_in
from datasets.views.downloads import stream_csv

PEOPLE_A_PAGE = 50
BACKEND = "django.contrib.auth.backends.ModelBackend"
SESSION_TOKEN = "choose"  # replaces the token in the URL once the session holds it
ACT_MESSAGES = {
    "role": gettext_lazy("Saved."),
    "deactivate": gettext_lazy("%(name)s cannot sign in any more. What they had in hand goes to others."),
    "reactivate": gettext_lazy("%(name)s can sign in again."),
}


@admin_required
@require_safe
def people_list(request: UserRequest) -> HttpResponse:
    """All users by name, a page at a time."""
    find = SearchForm(request.GET)
    if not find.is_valid():
        raise BadRequest(find.errors.as_text())
    q, after = find.cleaned_data["q"], find.cleaned_data["after"]
    matches = User.objects.filter(username__icontains=q, username__gt=after).order_by("username")[: PEOPLE_A_PAGE + 1]
    rows = people.list_work(matches)
    context = {
        "people": rows[:PEOPLE_A_PAGE],
        "next": rows[PEOPLE_A_PAGE - 1][0].username if len(rows) > PEOPLE_A_PAGE else None,
        "q": q,
        "after": after,
        "hours_form": HoursForm(),
    }
    return render(request, "people/list.html", context)


@admin_required
@require_safe
def hours_file(request: UserRequest) -> HttpResponse | StreamingHttpResponse:
    """The hours of a range of days as CSV."""
    form = HoursForm(request.GET)
    if not form.is_valid():
        return render(request, "people/hours.html", {"hours_form": form}, status=400)
    lines = iter_csv_lines(iter_hours(**form.cleaned_data, zone=timezone.get_current_timezone()))
    return stream_csv(lines, "hours.csv")


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: UserRequest) -> HttpResponse:
    """Invites a new user."""
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = people.invite(**form.cleaned_data, by=request.user)
        except people.NameTaken:
            form.add_error("name", _("Somebody has this name already."))
        else:
            return redirect("person-link", person.pk)
    status = 422 if request.method == "POST" else 200
    return render(request, "people/invite.html", {"form": form}, status=status)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def person_page(request: UserRequest, pk: int) -> HttpResponse:
    """One user, with the acts of PersonForm."""
    person = get_object_or_404(User, pk=pk)
    form = PersonForm(request.POST if request.method == "POST" else None, initial={"role": person.role})
    if form.is_valid():
        try:
            return redirect_after_act(request, person, form.save(person, request.user))
        except people.LastAdmin:
            form.add_error("role", _("This is the last admin who can sign in: somebody has to look after the others."))
    context = {"form": form, "row": people.list_work([person])[0], "is_last_admin": people.is_last_admin(person)}
    return render(request, "people/person.html", context, status=422 if form.is_bound else 200)


def redirect_after_act(request: UserRequest, person: User, act: str) -> HttpResponse:
    """Redirects to the link or the person; to the home page if the act ended the user's own admin rights."""
    if act == "reset":
        return redirect("person-link", person.pk)
    messages.success(request, ACT_MESSAGES[act] % {"name": person.username})
    still_admin = User.objects.filter(pk=request.user.pk, role=User.Role.ADMIN, is_active=True).exists()
    return redirect("person", person.pk) if still_admin else redirect("home")


@admin_required
@never_cache
@require_safe
def person_link(request: UserRequest, pk: int) -> HttpResponse:
    """A link for this person to choose a password, for the admin to pass on; a new one at each request."""
    person = get_object_or_404(User, pk=pk)
    link = request.build_absolute_uri(people.issue_link(person, request.user))
    return render(request, "people/link.html", {"person": person, "link": link, "ends": people.get_link_expiry()})


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
    messages.success(request, _("The new password holds from now on. Other browsers are signed out."))
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
