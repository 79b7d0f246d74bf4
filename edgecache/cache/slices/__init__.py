"""Large objects in slices: stored, fetched and served one slice at a time.

An object in slices is an entry without a body, and an entry for each slice that is here.

- `object`: when an object is sliced, and its hits
- `fetch`: one slice: in memory, in arrival, on disk, or from upstream
- `body`: the slices of a range as one body
- `slicer`: a whole body cut into slices as it arrives
"""
