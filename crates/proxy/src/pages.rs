//! Status phrases and the pages of responses that the load balancer makes itself. Source: ALB 4.10.

use std::borrow::Cow;

/// The phrase ALB writes in the status line. Codes without one of their own get the registered phrase, or none.
pub(crate) fn phrase(status: u16) -> &'static str {
    match status {
        302 => "Found",
        405 => "Not Allowed",
        408 => "Request Time-out",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        561 => "Unauthorized",
        _ => http::StatusCode::from_u16(status)
            .ok()
            .and_then(|code| code.canonical_reason())
            .unwrap_or(""),
    }
}

/// The page of a status; empty for those that have none (460, 463, 464 and whatever is not an error or redirect).
pub(crate) fn page(status: u16) -> Cow<'static, [u8]> {
    let title = match status {
        401 => "401 Authorization Required".to_owned(),
        301 | 302 | 400..=459 | 500..=560 => format!("{status} {}", phrase(status)),
        _ => return Cow::Borrowed(b""),
    };
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    Cow::Owned(page.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_the_documented_lengths() {
        let documented = [
            (301, 134),
            (302, 110),
            (400, 122),
            (401, 144),
            (403, 118),
            (405, 122),
            (408, 132),
            (413, 148),
            (414, 142),
            (463, 0),
            (464, 0),
            (500, 142),
            (501, 130),
            (502, 122),
            (503, 162),
            (504, 132),
            (505, 152),
            (507, 140),
        ];
        for (status, length) in documented {
            assert_eq!(page(status).len(), length, "{status}");
        }
    }

    // ALB-H-044: the 502 page has 122 bytes with CRLF line ends, the 503 page 162
    #[test]
    fn the_502_page_byte_for_byte() {
        let expected = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
                        <center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
        assert_eq!(page(502), expected.as_bytes());
        assert_eq!((page(502).len(), page(503).len()), (122, 162));
        assert!(String::from_utf8_lossy(&page(503)).contains("<h1>503 Service Temporarily Unavailable</h1>"));
    }

    #[test]
    fn phrases() {
        for (status, expected) in [
            (200, "OK"),
            (301, "Moved Permanently"),
            (463, ""),
            (464, ""),
            (502, "Bad Gateway"),
            (405, "Not Allowed"),
            (599, ""),
        ] {
            assert_eq!(phrase(status), expected, "{status}");
        }
    }
}
