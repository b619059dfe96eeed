//! Checks of real servers on the loopback interface, each with a script.

mod grpc;
mod http1;
mod http2;
mod scripted;
mod tls;
