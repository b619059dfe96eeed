"""A Lambda function behind an Application Load Balancer. The same file, zipped, runs on AWS."""


def handler(event, context):
    # `event` is the request: `albacore explain GET http://localhost:8080/` shows one.
    # What a function prints is its log.
    print("serving", event["httpMethod"], event["path"])
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/html"},
        "body": "<h1>Hello from Lambda!</h1>",
    }
