# A function with all that can be around it, and one whose code is an object.

resource "aws_cloudwatch_log_group" "orders" {
  name              = "/aws/lambda/orders"
  retention_in_days = var.changed ? 14 : 7
}

resource "aws_cloudwatch_log_group" "prefixed" {
  name_prefix     = "/shop/"
  log_group_class = "STANDARD"
}

resource "aws_cloudwatch_log_stream" "stream" {
  name           = "stream"
  log_group_name = aws_cloudwatch_log_group.prefixed.name
}

data "aws_cloudwatch_log_group" "prefixed" { name = aws_cloudwatch_log_group.prefixed.name }

data "aws_cloudwatch_log_groups" "all" {
  log_group_name_prefix = "/aws/lambda/"
  depends_on            = [aws_cloudwatch_log_group.orders]
}

resource "aws_lambda_layer_version" "library" {
  layer_name               = "library"
  filename                 = "layer.zip"
  description              = "a module"
  license_info             = "Apache-2.0"
  compatible_runtimes      = ["python3.11"]
  compatible_architectures = ["x86_64"]
}

resource "aws_lambda_layer_version_permission" "library" {
  layer_name     = aws_lambda_layer_version.library.layer_name
  version_number = aws_lambda_layer_version.library.version
  statement_id   = "everybody"
  action         = "lambda:GetLayerVersion"
  principal      = "*"
}

data "aws_lambda_layer_version" "library" { layer_name = aws_lambda_layer_version.library.layer_name }

resource "aws_lambda_function" "orders" {
  function_name    = "orders"
  role             = aws_iam_role.orders.arn
  runtime          = "python3.11"
  handler          = "app.handler"
  filename         = "function.zip"
  source_code_hash = filebase64sha256("function.zip")
  publish          = true
  description      = var.changed ? "orders, changed" : "orders"
  timeout          = var.changed ? 9 : 8
  memory_size      = var.changed ? 300 : 256
  layers           = [aws_lambda_layer_version.library.arn]

  environment {
    variables = { GREETING = var.changed ? "hello again" : "hello" }
  }

  ephemeral_storage { size = var.changed ? 600 : 512 }

  tracing_config { mode = "PassThrough" }

  logging_config {
    log_format            = "JSON"
    application_log_level = var.changed ? "DEBUG" : "INFO"
    system_log_level      = "WARN"
  }

  depends_on = [aws_cloudwatch_log_group.orders, aws_iam_role_policy_attachment.basic]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = var.changed ? "shifts" : ""
  function_name    = aws_lambda_function.orders.function_name
  function_version = aws_lambda_function.orders.version

  dynamic "routing_config" {
    for_each = var.changed ? [0.25] : []
    content { additional_version_weights = { "1" = routing_config.value } }
  }
}

data "aws_lambda_alias" "live" {
  name          = aws_lambda_alias.live.name
  function_name = aws_lambda_function.orders.function_name
}

data "aws_lambda_function" "orders" { function_name = aws_lambda_function.orders.function_name }

data "aws_lambda_functions" "all" { depends_on = [aws_lambda_function.orders] }

resource "aws_lambda_permission" "balancer" {
  statement_id  = "balancer"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.orders.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "elasticloadbalancing.amazonaws.com"
  source_arn    = aws_lb_target_group.orders.arn
}

resource "aws_lambda_function_url" "live" {
  function_name      = aws_lambda_function.orders.function_name
  qualifier          = aws_lambda_alias.live.name
  authorization_type = "NONE"
  invoke_mode        = var.changed ? "RESPONSE_STREAM" : "BUFFERED"

  cors {
    allow_credentials = var.changed
    allow_headers     = ["x-shop"]
    allow_methods     = ["GET"]
    allow_origins     = ["https://shop.example.com"]
    expose_headers    = ["x-order"]
    max_age           = var.changed ? 120 : 60
  }
}

# Callers by URL need both rights. The provider grants the one for the URL itself.
resource "aws_lambda_permission" "url" {
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.orders.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "*"
}

data "aws_lambda_function_url" "live" {
  function_name = aws_lambda_function_url.live.function_name
  qualifier     = aws_lambda_alias.live.name
}

resource "aws_lambda_function_event_invoke_config" "orders" {
  function_name                = aws_lambda_function.orders.function_name
  maximum_retry_attempts       = var.changed ? 0 : 1
  maximum_event_age_in_seconds = 120

  destination_config {
    on_success { destination = aws_lambda_function.packed.arn }
  }
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  function_name                     = aws_lambda_function.orders.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.changed ? 2 : 1
}

resource "aws_lambda_function" "packed" {
  function_name                  = "packed"
  role                           = aws_iam_role.exclusive.arn
  runtime                        = "python3.11"
  handler                        = "app.handler"
  s3_bucket                      = "code"
  s3_key                         = "function.zip"
  reserved_concurrent_executions = var.changed ? 4 : 3

  vpc_config {
    subnet_ids         = aws_subnet.shop[*].id
    security_group_ids = [aws_security_group.functions.id]
  }

  depends_on = [aws_iam_role_policy_attachments_exclusive.exclusive]
}

resource "aws_lambda_function_recursion_config" "packed" {
  function_name  = aws_lambda_function.packed.function_name
  recursive_loop = var.changed ? "Terminate" : "Allow"
}

resource "aws_lambda_runtime_management_config" "packed" {
  function_name     = aws_lambda_function.packed.function_name
  update_runtime_on = var.changed ? "Auto" : "FunctionUpdate"
}

resource "aws_lambda_invocation" "packed" {
  function_name = aws_lambda_function.packed.function_name
  input         = jsonencode({ order = 7 })
}

data "aws_lambda_invocation" "packed" {
  function_name = aws_lambda_function.packed.function_name
  input         = jsonencode({ order = 8 })
}

output "invoked" { value = jsondecode(data.aws_lambda_invocation.packed.result) }
