"""Flask behind serverless-wsgi."""

import serverless_wsgi

from flask_application import application


def handler(event, context):
    return serverless_wsgi.handle_request(application, event, context)
