from django.urls import path

from annotate.views import history, judge, pause, people, practice, question, review
from datasets.views import log

urlpatterns = [
    path("", judge.home, name="home"),
    path("annotate/<slug:slug>/", judge.annotate, name="annotate"),
    path("annotate/<slug:slug>/guideline/", judge.guideline, name="guideline"),
    path("annotate/<slug:slug>/undo/", judge.undo_last, name="undo"),
    path("annotate/<slug:slug>/ahead/", judge.prefetch, name="ahead"),
    path("annotate/<slug:slug>/give-back/", judge.give_back, name="give-back"),
    path("annotate/<slug:slug>/differences/<int:pk>/", judge.differences, name="differences"),
    path("annotate/<slug:slug>/history/", history.history, name="history"),
    path("annotate/<slug:slug>/history/<int:pk>/", history.judged, name="judged"),
    path("annotate/<slug:slug>/practice/", practice.practise, name="practice"),
    path("annotate/<slug:slug>/practice/<int:pk>/", practice.practised, name="practised"),
    path("annotate/<slug:slug>/review/", review.review, name="review"),
    path("annotate/<slug:slug>/review/undo/", review.undo_review, name="review-undo"),
    path("annotate/<slug:slug>/review/flagged/", review.review_flagged, name="review-flagged"),
    path("datasets/<slug:slug>/question/", question.question_page, name="question"),
    path("datasets/<slug:slug>/question/preview/", question.question_preview, name="question-preview"),
    path("datasets/<slug:slug>/people/pause/", pause.pause_person, name="pause"),
    path("people/", people.people_list, name="people"),
    path("people/new/", people.invite, name="person-new"),
    path("people/hours.csv", people.hours_file, name="hours"),
    path("people/log/", log.whole_log, name="log-all"),
    path("people/log.csv", log.whole_log_file, name="log-all-file"),
    path("people/<int:pk>/", people.person_page, name="person"),
    path("people/<int:pk>/link/", people.person_link, name="person-link"),
    path("accounts/invite/<uidb64>/<token>/", people.choose_password, name="invite"),
    path("profile/", people.profile, name="profile"),
    path("profile/password/", people.password, name="password"),
    path("profile/language/", people.language, name="language"),
]
