"""What a CDN decides, as pure functions: no clock, no IO, no randomness, no logging.

A rule is asked a question and answers with a value: where a request goes (*route*), whether it may
enter (*refusal*), which entry answers it (*key*), how long that is fresh (*lifetime*), what may be
done with it now (*verdict*), what the viewer gets (*reply plan*) and what the upstream is asked.

May import `config.model` and `http`.
"""
