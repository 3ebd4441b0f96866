import socket


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Client", environ["REMOTE_ADDR"])])
    return [f"hello from {socket.gethostname()}\n".encode()]
