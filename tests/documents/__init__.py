"""Blocks of README and docs/, run as they stand: shell, configuration, Python, JSON and YAML.

A comment on the line before a block says what a reader would have to know:
`<!-- prints: TEXT; TEXT -->` (in its output), `<!-- file: NAME -->` (it is that file's content),
`<!-- needs: PROGRAM -->` (not run where there is none), `<!-- not run: REASON -->`,
`<!-- in: PLACE -->` (where a fragment of a configuration stands), `<!-- own -->` (this page starts
what it asks, in a folder of its own) `<!-- own: origin -->` (but there is an origin at 8000),
`<!-- stop -->` (what was started before is stopped first) and `<!-- exits: any -->` (not with 0).

`blocks` reads them, `fragments` puts a fragment into a configuration, `shells` runs a page.
"""
