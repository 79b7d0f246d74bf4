"""Functions at the edge: CloudFront Functions, run inside a request's decision, and Lambda@Edge.

Law: a run is synchronous, bounded, and leaves nothing behind. What a function says is judged before
it counts; what it may not say is an error of the function, and no request of a viewer goes on by
half of it.

- **event**: a request or response as the function sees it, and what comes back, judged
- **header rules**: which headers a function sees, and which it may change
- **context**: one engine with one function in it
- **run template**: a run's input as text, which requests that are alike share
- **python hooks**: the operator's own functions, in this process
- **runner**: what the frontend asks: contexts kept, replaced, counted, throttled
- **source check**: what is wrong with a source before it ever runs

Lambda@Edge functions are awaited, and run in processes of their own:

- **lambda event**, **lambda origin**: what a handler is shown, and what comes back, judged
- **lambda runner**, **lambda pool**: what triggers ask; the processes of each function, bounded
- **lambda process**, **lambda host**: a worker process from outside, and from within
- **origin triggers**: the functions at origins' events, as an upstream around the origins

May import `cluster`, `store`, `upstream`, `rules`, `config`, `http`, `observe`, `runtime`;
`runtime.js` is what the engine holds before a function does, `lambda_host.js` what Node.js runs.
"""
