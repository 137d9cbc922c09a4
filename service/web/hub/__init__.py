"""The protocol of the Hugging Face Hub, so that its clients load untrained models from here as they load trained ones from there.

With HF_ENDPOINT set to this service, `from_pretrained("weight-init/gpt2")` works without further code. Every preset is a repository.

routes       the routes, under the paths of the Hub
repositories what a repository holds: files with their sizes and validators
revisions    the seed and the other fields in the name of a revision, and the commit of each
card         the README.md of a repository
"""

from service.web.hub.routes import routes

__all__ = ["routes"]
