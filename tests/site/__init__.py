"""The site of the documentation, built by mkdocs-material and looked through.

`python -m tests.site` makes an environment of `requirements-site.lock` below `var/`, builds the
site strictly, and looks for links that lead nowhere and for anything that a reader's browser would
fetch from elsewhere. `links` is the hook by which pages name files outside docs/.
"""
