from django.urls import path

from annotate import people_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("annotate/<slug:slug>/", views.annotate, name="annotate"),
    path("annotate/<slug:slug>/guideline/", views.guideline, name="guideline"),
    path("annotate/<slug:slug>/undo/", views.undo_last, name="undo"),
    path("people/", people_views.people_list, name="people"),
    path("people/new/", people_views.invite, name="person-new"),
    path("people/hours.csv", people_views.hours_file, name="hours"),
    path("people/<int:pk>/", people_views.person_page, name="person"),
    path("people/<int:pk>/link/", people_views.person_link, name="person-link"),
    path("accounts/invite/<uidb64>/<token>/", people_views.choose_password, name="invite"),
    path("profile/", people_views.profile, name="profile"),
    path("profile/password/", people_views.password, name="password"),
    path("profile/language/", people_views.language, name="language"),
]
