"""Blocks of README and docs/, run as they stand: shell, configuration, Python, JSON and YAML.

A comment on the line before a block says what a reader would have to know:
`<!-- prints: TEXT; TEXT -->` (in its output), `<!-- file: NAME -->` (it is that file's content),
`<!-- needs: PROGRAM -->` (not run where there is none), `<!-- not run: REASON -->`,
`<!-- in: PLACE -->` (where a fragment of a configuration stands), `<!-- own -->` (this page starts
what it asks, in a folder of its own) `<!-- own: origin -->` (but there is an origin at 8000),
`<!-- stop -->` (what was started before is stopped first) and `<!-- exits: any -->` (not with 0).
Why a block is not run is one of `blocks.REASONS`.

What a reader has already, and a page does not tell how to make, is a setting: a comment of several
lines, `<!-- setting`, commands of a shell, `-->`. They are run where they stand; the checkout is at
`$CHECKOUT`. After `<!-- setting | own: origin` the page is on its own from there.

`blocks` reads them, `fragments` puts a fragment into a configuration, `shells` runs a page.
"""
