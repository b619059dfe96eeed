# A load balancer over a function and servers.

resource "aws_lb" "shop" {
  name                       = "shop"
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = aws_subnet.shop[*].id
  idle_timeout               = var.changed ? 70 : 65
  client_keep_alive          = var.changed ? 600 : 3600
  desync_mitigation_mode     = var.changed ? "strictest" : "defensive"
  drop_invalid_header_fields = true
  enable_http2               = !var.changed
  enable_xff_client_port     = var.changed
  preserve_host_header       = var.changed
  xff_header_processing_mode = var.changed ? "preserve" : "append"

  access_logs {
    bucket  = "logs"
    prefix  = "shop"
    enabled = true
  }

  connection_logs {
    bucket  = "logs"
    enabled = var.changed
  }
}

data "aws_lb" "shop" { name = aws_lb.shop.name }

data "aws_lbs" "all" { depends_on = [aws_lb.shop] }

data "aws_elb_service_account" "logs" {}

data "aws_lb_hosted_zone_id" "zone" {}

resource "aws_lb_target_group" "orders" {
  name                               = "orders"
  target_type                        = "lambda"
  lambda_multi_value_headers_enabled = var.changed
}

resource "aws_lb_target_group_attachment" "orders" {
  target_group_arn = aws_lb_target_group.orders.arn
  target_id        = aws_lambda_alias.live.arn
  depends_on       = [aws_lambda_permission.balancer]
}

resource "aws_lb_target_group" "servers" {
  name                          = "servers"
  port                          = 8080
  protocol                      = "HTTP"
  target_type                   = "ip"
  vpc_id                        = aws_vpc.shop.id
  deregistration_delay          = var.changed ? 20 : 10
  slow_start                    = var.changed ? 0 : 30
  load_balancing_algorithm_type = var.changed ? "least_outstanding_requests" : "round_robin"

  stickiness {
    type            = "lb_cookie"
    cookie_duration = var.changed ? 200 : 100
  }

  health_check {
    path                = var.changed ? "/up" : "/healthy"
    matcher             = "200-299"
    interval            = 5
    timeout             = 3
    healthy_threshold   = 2
    unhealthy_threshold = var.changed ? 4 : 3
  }

  target_group_health {
    dns_failover { minimum_healthy_targets_count = "2" }
    unhealthy_state_routing { minimum_healthy_targets_count = var.changed ? 2 : 1 }
  }
}

resource "aws_lb_target_group_attachment" "server" {
  target_group_arn = aws_lb_target_group.servers.arn
  target_id        = "10.60.0.9"
  port             = 8081
}

resource "aws_lb_target_group" "grpc" {
  name_prefix      = "grpc-"
  port             = 50051
  protocol         = "HTTP"
  protocol_version = "GRPC"
  vpc_id           = aws_vpc.shop.id

  health_check {
    path    = "/shop.Orders/Check"
    matcher = "0-99"
  }

  stickiness {
    type        = "app_cookie"
    cookie_name = "order"
    enabled     = true
  }
}

resource "aws_lb_target_group" "weighted" {
  name                              = "weighted"
  port                              = 80
  protocol                          = "HTTP"
  vpc_id                            = aws_vpc.shop.id
  load_balancing_algorithm_type     = "weighted_random"
  load_balancing_anomaly_mitigation = var.changed ? "off" : "on"
  load_balancing_cross_zone_enabled = "true"
}

data "aws_lb_target_group" "servers" { name = aws_lb_target_group.servers.name }

resource "aws_lb_trust_store" "partners" {
  name                             = "partners"
  ca_certificates_bundle_s3_bucket = "code"
  ca_certificates_bundle_s3_key    = "certificate.pem"
}

data "aws_lb_trust_store" "partners" { name = aws_lb_trust_store.partners.name }

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.shop.arn
  port              = 9001

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.orders.arn
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.shop.arn
  port              = 9002
  protocol          = "HTTPS"
  ssl_policy        = var.changed ? "ELBSecurityPolicy-TLS13-1-2-Res-2021-06" : "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate_validation.shop.certificate_arn

  mutual_authentication {
    mode                             = "verify"
    trust_store_arn                  = aws_lb_trust_store.partners.arn
    ignore_client_certificate_expiry = true
  }

  routing_http_response_server_enabled                         = false
  routing_http_response_strict_transport_security_header_value = "max-age=1"
  routing_http_request_x_amzn_mtls_clientcert_header_name      = "X-Client-Certificate"

  default_action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "nothing is here"
      status_code  = var.changed ? "410" : "404"
    }
  }
}

resource "aws_lb_listener_certificate" "imported" {
  listener_arn    = aws_lb_listener.https.arn
  certificate_arn = aws_acm_certificate.imported.arn
}

data "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.shop.arn
  port              = 9001
  depends_on        = [aws_lb_listener.http]
}

resource "aws_lb_listener_rule" "weighted" {
  listener_arn = aws_lb_listener.http.arn
  priority     = var.changed ? 30 : 10

  action {
    type = "forward"

    forward {
      target_group {
        arn    = aws_lb_target_group.orders.arn
        weight = var.changed ? 70 : 80
      }

      target_group {
        arn    = aws_lb_target_group.servers.arn
        weight = 20
      }

      stickiness {
        enabled  = true
        duration = 600
      }
    }
  }

  condition {
    path_pattern { values = ["/weighted/*"] }
  }

  condition {
    http_header {
      http_header_name = "X-Shop"
      values           = ["a*", "b"]
    }
  }
}

data "aws_lb_listener_rule" "weighted" { arn = aws_lb_listener_rule.weighted.arn }

resource "aws_lb_listener_rule" "redirect" {
  listener_arn = aws_lb_listener.http.arn
  priority     = 20

  action {
    type = "redirect"

    redirect {
      host        = var.changed ? "new.example.com" : "#{host}"
      port        = "443"
      protocol    = "HTTPS"
      status_code = var.changed ? "HTTP_302" : "HTTP_301"
    }
  }

  condition {
    host_header { values = ["old.example.com"] }
  }

  condition {
    query_string {
      key   = "v"
      value = "1"
    }

    query_string { value = "x" }
  }

  condition {
    source_ip { values = ["10.0.0.0/8"] }
  }
}

# Without a priority: the provider takes the next.
resource "aws_lb_listener_rule" "next" {
  listener_arn = aws_lb_listener.http.arn

  action {
    type = "fixed-response"

    fixed_response {
      content_type = "text/plain"
      message_body = "put"
      status_code  = "200"
    }
  }

  condition {
    http_request_method { values = ["PUT"] }
  }

  tags = { Name = "put" }
}
