"""Models answer: endpoints, model versions, generation. Imports analyze, annotate and datasets, never api."""
