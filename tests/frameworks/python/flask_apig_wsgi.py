"""Flask behind apig-wsgi."""

from apig_wsgi import make_lambda_handler

from flask_application import application

handler = make_lambda_handler(application)
