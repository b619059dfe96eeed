# The default network, read; and a network of the service's own.

data "aws_availability_zones" "available" { state = "available" }

data "aws_availability_zone" "first" {
  name = data.aws_availability_zones.available.names[0]
}

data "aws_vpcs" "all" {}

data "aws_vpc" "default" { default = true }

data "aws_subnets" "default" {
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

data "aws_subnet" "default" { id = data.aws_subnets.default.ids[0] }

data "aws_security_group" "default" {
  name   = "default"
  vpc_id = data.aws_vpc.default.id
}

data "aws_route_tables" "default" { vpc_id = data.aws_vpc.default.id }

data "aws_route_table" "default" { route_table_id = data.aws_route_tables.default.ids[0] }

data "aws_internet_gateway" "default" {
  filter {
    name   = "attachment.vpc-id"
    values = [data.aws_vpc.default.id]
  }
}

resource "aws_default_vpc" "default" {}

resource "aws_default_subnet" "default" {
  availability_zone = data.aws_availability_zone.first.name
}

resource "aws_vpc" "shop" {
  cidr_block           = "10.60.0.0/16"
  enable_dns_hostnames = var.changed
  tags                 = { Name = "shop" }
}

resource "aws_default_security_group" "shop" {
  vpc_id = aws_vpc.shop.id

  ingress {
    protocol  = -1
    self      = true
    from_port = 0
    to_port   = 0
  }
}

resource "aws_subnet" "shop" {
  count                   = 2
  vpc_id                  = aws_vpc.shop.id
  cidr_block              = cidrsubnet(aws_vpc.shop.cidr_block, 8, count.index)
  availability_zone       = data.aws_availability_zones.available.names[count.index]
  map_public_ip_on_launch = var.changed
}

resource "aws_internet_gateway" "shop" {}

resource "aws_internet_gateway_attachment" "shop" {
  vpc_id              = aws_vpc.shop.id
  internet_gateway_id = aws_internet_gateway.shop.id
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.shop.id

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway_attachment.shop.internet_gateway_id
  }
}

resource "aws_route_table_association" "public" {
  count          = 2
  subnet_id      = aws_subnet.shop[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table" "main" { vpc_id = aws_vpc.shop.id }

resource "aws_route" "main" {
  route_table_id         = aws_route_table.main.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway_attachment.shop.internet_gateway_id
}

resource "aws_main_route_table_association" "main" {
  vpc_id         = aws_vpc.shop.id
  route_table_id = aws_route_table.main.id
}

# Rules within the group.
resource "aws_security_group" "balancer" {
  name        = "balancer"
  description = "Who may speak to the load balancer"
  vpc_id      = aws_vpc.shop.id

  ingress {
    description = "clients"
    from_port   = 9001
    to_port     = var.changed ? 9009 : 9002
    protocol    = "tcp"
    cidr_blocks = var.changed ? ["127.0.0.0/8", "10.0.0.0/8"] : ["127.0.0.0/8"]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

# Rules beside the group, of the older kind.
resource "aws_security_group" "older" {
  name_prefix = "older-"
  vpc_id      = aws_vpc.shop.id
}

resource "aws_security_group_rule" "addresses" {
  type              = "ingress"
  security_group_id = aws_security_group.older.id
  from_port         = 0
  to_port           = 65535
  protocol          = "tcp"
  cidr_blocks       = ["127.0.0.0/8"]
  ipv6_cidr_blocks  = ["::1/128"]
}

resource "aws_security_group_rule" "itself" {
  type              = "ingress"
  security_group_id = aws_security_group.older.id
  from_port         = -1
  to_port           = -1
  protocol          = "icmp"
  self              = true
}

resource "aws_security_group_rule" "group" {
  type                     = "egress"
  security_group_id        = aws_security_group.older.id
  from_port                = 443
  to_port                  = 443
  protocol                 = "tcp"
  source_security_group_id = aws_default_security_group.shop.id
}

# And of the newer kind.
resource "aws_security_group" "functions" {
  name   = "functions"
  vpc_id = aws_vpc.shop.id
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  security_group_id = aws_security_group.functions.id
  from_port         = 443
  to_port           = var.changed ? 444 : 443
  ip_protocol       = "tcp"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "all" {
  security_group_id = aws_security_group.functions.id
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}
