from django.urls import path

from annotate import history, pause_views, people_views, practice_views, question_views, review_views, views
from datasets import log_views

urlpatterns = [
    path("", views.home, name="home"),
    path("annotate/<slug:slug>/", views.annotate, name="annotate"),
    path("annotate/<slug:slug>/guideline/", views.guideline, name="guideline"),
    path("annotate/<slug:slug>/undo/", views.undo_last, name="undo"),
    path("annotate/<slug:slug>/ahead/", views.ahead, name="ahead"),
    path("annotate/<slug:slug>/give-back/", views.give_back, name="give-back"),
    path("annotate/<slug:slug>/differences/<int:pk>/", views.differences, name="differences"),
    path("annotate/<slug:slug>/history/", history.history, name="history"),
    path("annotate/<slug:slug>/history/<int:pk>/", history.judged, name="judged"),
    path("annotate/<slug:slug>/practice/", practice_views.practise, name="practice"),
    path("annotate/<slug:slug>/practice/<int:pk>/", practice_views.practised, name="practised"),
    path("annotate/<slug:slug>/review/", review_views.review, name="review"),
    path("annotate/<slug:slug>/review/undo/", review_views.undo_review, name="review-undo"),
    path("annotate/<slug:slug>/review/flagged/", review_views.review_flagged, name="review-flagged"),
    path("datasets/<slug:slug>/question/", question_views.question_page, name="question"),
    path("datasets/<slug:slug>/question/preview/", question_views.question_preview, name="question-preview"),
    path("datasets/<slug:slug>/people/pause/", pause_views.pause_person, name="pause"),
    path("people/", people_views.people_list, name="people"),
    path("people/new/", people_views.invite, name="person-new"),
    path("people/hours.csv", people_views.hours_file, name="hours"),
    path("people/log/", log_views.whole_log, name="log-all"),
    path("people/log.csv", log_views.whole_log_file, name="log-all-file"),
    path("people/<int:pk>/", people_views.person_page, name="person"),
    path("people/<int:pk>/link/", people_views.person_link, name="person-link"),
    path("accounts/invite/<uidb64>/<token>/", people_views.choose_password, name="invite"),
    path("profile/", people_views.profile, name="profile"),
    path("profile/password/", people_views.password, name="password"),
    path("profile/language/", people_views.language, name="language"),
]
