import cf from 'cloudfront';

// What the store has under the path is where the viewer is sent.
async function handler(event) {
    const values = cf.kvs();
    if (!await values.exists(event.request.uri)) return event.request;
    const location = await values.get(event.request.uri);
    return { statusCode: 302, statusDescription: 'Found', headers: { location: { value: location } } };
}
