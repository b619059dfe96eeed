# Roles, policies, users, certificates.

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy" "basic" { name = "AWSLambdaBasicExecutionRole" }

resource "aws_iam_role" "orders" {
  name                 = "orders"
  path                 = "/service/"
  description          = var.changed ? "of the orders" : "orders"
  max_session_duration = 7200
  assume_role_policy   = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "inline" {
  name = "inline"
  role = aws_iam_role.orders.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = var.changed ? ["logs:PutLogEvents"] : ["logs:*"], Resource = "*" }]
  })
}

resource "aws_iam_policy" "invoke" {
  name_prefix = "invoke-"

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = var.changed ? "lambda:*" : "lambda:InvokeFunction", Resource = "*" }]
  })
}

resource "aws_iam_role_policy_attachment" "basic" {
  role       = aws_iam_role.orders.name
  policy_arn = data.aws_iam_policy.basic.arn
}

resource "aws_iam_role_policy_attachment" "invoke" {
  role       = aws_iam_role.orders.name
  policy_arn = aws_iam_policy.invoke.arn
}

resource "aws_iam_role" "exclusive" {
  name_prefix        = "exclusive-"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachments_exclusive" "exclusive" {
  role_name   = aws_iam_role.exclusive.name
  policy_arns = [data.aws_iam_policy.basic.arn, "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"]
}

data "aws_iam_role" "orders" { name = aws_iam_role.orders.name }

resource "aws_iam_user" "deployer" {
  name = "deployer"
  path = "/ci/"
}

resource "aws_iam_access_key" "deployer" { user = aws_iam_user.deployer.name }

resource "aws_iam_user_policy" "deployer" {
  user = aws_iam_user.deployer.name
  name = "functions"

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["lambda:*"], Resource = "*" }]
  })
}

resource "aws_iam_user_policy_attachment" "deployer" {
  user       = aws_iam_user.deployer.name
  policy_arn = aws_iam_policy.invoke.arn
}

resource "aws_acm_certificate" "shop" {
  domain_name               = "shop.example.com"
  subject_alternative_names = ["*.shop.example.com"]
  validation_method         = "DNS"
}

resource "aws_acm_certificate_validation" "shop" { certificate_arn = aws_acm_certificate.shop.arn }

resource "aws_acm_certificate" "imported" {
  private_key      = file("key.pem")
  certificate_body = file("certificate.pem")
}

data "aws_acm_certificate" "imported" {
  domain     = "imported.example.com"
  depends_on = [aws_acm_certificate.imported]
}
