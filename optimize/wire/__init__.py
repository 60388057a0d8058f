"""HTTP to servers that speak OpenAI's chat API. Knows no database and no Django.

addresses: where a connection may go; keys: which key goes to which host; client: one answer; sse: a streamed answer;
probe: what a server honours.
"""
