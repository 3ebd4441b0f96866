def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Client", environ["REMOTE_ADDR"])])
    return [b"hello from {{ inventory_hostname }}\n"]
