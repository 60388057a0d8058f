"""The URLs under /datasets/."""

from django.urls import path

from datasets.views import datasets, exports, flags, gold, guidelines, imports, judgments, log, prompts, tasks

urlpatterns = [
    path("", datasets.dataset_list, name="datasets"),
    path("upload/", imports.upload, name="upload"),
    path("new/render/", prompts.rendered, name="rendered"),
    path("upload/tasks/", tasks.job_list, name="tasks"),
    path("upload/tasks/<int:pk>/", tasks.job_page, name="task"),
    path("upload/<int:pk>/", imports.import_page, name="import"),
    path("<slug:slug>/", datasets.dataset_page, name="dataset"),
    path("<slug:slug>/settings/", datasets.dataset_settings, name="dataset-settings"),
    path("<slug:slug>/imports/", imports.import_list, name="imports"),
    path("<slug:slug>/delete/", datasets.dataset_delete, name="dataset-delete"),
    path("<slug:slug>/prompts/new/", prompts.prompt_new, name="prompt-new"),
    path("<slug:slug>/prompts/<int:pk>/edit/", prompts.prompt_edit, name="prompt-edit"),
    path("<slug:slug>/prompts/<int:pk>/", datasets.prompt_page, name="prompt"),
    path("<slug:slug>/follow/", judgments.follow_page, name="follow"),
    path("<slug:slug>/judgments/", judgments.judgment_list, name="judgments"),
    path("<slug:slug>/judgments/<int:pk>/", judgments.judgment_page, name="judgment"),
    path("<slug:slug>/judgments/<int:pk>/gold/", gold.gold_make, name="gold-make"),
    path("<slug:slug>/gold/", gold.gold_list, name="gold"),
    path("<slug:slug>/gold/<int:pk>/", gold.gold_page, name="gold-one"),
    path("<slug:slug>/people/record/", judgments.record_page, name="record"),
    path("<slug:slug>/guideline/", guidelines.guideline_list, name="guidelines"),
    path("<slug:slug>/log/", log.dataset_log, name="log"),
    path("<slug:slug>/log.csv", log.dataset_log_file, name="log-file"),
    path("<slug:slug>/flags/", flags.flag_list, name="flags"),
    path("<slug:slug>/flags/set-aside/", flags.set_aside, name="set-aside"),
    path("<slug:slug>/export/", exports.export_page, name="exports"),
    path("<slug:slug>/export/<slug:name>/", exports.export_file, name="export"),
    path("<slug:slug>/bundles/", exports.bundle_make, name="bundles"),
    path("<slug:slug>/bundles/<int:number>/", exports.bundle_page, name="bundle"),
    path("<slug:slug>/bundles/<int:number>/push/", exports.bundle_push, name="bundle-push"),
    path("<slug:slug>/bundles/<int:number>/archive/", exports.bundle_file, name="bundle-file"),
]
