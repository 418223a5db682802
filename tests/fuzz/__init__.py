"""Bad input, tried hard, over the wire: a gateway process, a fake worker, hostile callers.

Whatever comes in, the answer is the thing asked for or a problem that names what is wrong. Never a
5xx, a reader that stays dead, memory that grows, a job left in the queue or a spooled file left
behind: ``gateway.check`` looks for all of it after each test, and that a good request still works.

    pytest tests/fuzz -m 'not slow'   # the same few cases each time, seconds
    pytest tests/fuzz                 # thousands of cases, other ones each time, minutes

Hypothesis prints the case that failed and keeps it in ``.hypothesis``; what was mended has a test
of its own in ``tests/service`` or ``tests/model``.

    gateway.py     the process under test, and what must hold after every test
    samples.py     good files in each format, from primitives and from real meshes where present
    mutations.py   ways to spoil bytes: blindly, and knowing the format
    answers.py     what an answer must look like
    test_openapi   schemathesis on the OpenAPI document (event streams excluded)
    test_meshes    spoiled meshes, through the pool of readers and over HTTP
    test_latents   spoiled latents, safetensors and npz
    test_sockets   malformed HTTP, bodies that lie, stall, break off or never end
    test_headers   Prefer, Accept, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id
    test_parameters  query parameters that are unknown, repeated, empty, huge, or no numbers
"""
