//! What is kept of a request that may have to be sent again.

use http::header::HOST;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::super::upload::Upload;

/// The head of a request as a list, and its body from the beginning. A list is half the price of a second table of
/// fields, which only the few pay that are sent again.
pub(super) struct Spare {
    pub(super) method: Method,
    pub(super) uri: Uri,
    fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Upload,
    /// It says already where it came from.
    pub(super) introduced: bool,
}

impl Spare {
    /// `None` when the body is not kept.
    pub(super) fn of(request: &Request<Upload>, introduced: bool) -> Option<Self> {
        let body = request.body().again()?;
        let headers = request.headers();
        let mut fields = Vec::with_capacity(headers.len());
        fields.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(Self { method: request.method().clone(), uri: request.uri().clone(), fields, body, introduced })
    }

    pub(super) fn host(&self) -> Option<&HeaderValue> {
        self.fields.iter().find(|(name, _)| *name == HOST).map(|(_, value)| value)
    }

    /// The same request once more, field by field in the same order.
    pub(super) fn into_request(self) -> Request<Upload> {
        let mut request = Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        for (name, value) in self.fields {
            request.headers_mut().append(name, value);
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spare_is_the_same_request() {
        let mut request = Request::new(Upload::none());
        *request.method_mut() = Method::OPTIONS;
        *request.uri_mut() = Uri::from_static("/a?b=c");
        for (name, value) in [("host", "x"), ("cookie", "1"), ("accept", "*/*"), ("cookie", "2")] {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        let spare = Spare::of(&request, false).unwrap();
        assert_eq!(spare.host(), Some(&HeaderValue::from_static("x")));
        let again = spare.into_request();
        assert_eq!((again.method(), again.uri()), (request.method(), request.uri()));
        assert_eq!(again.headers(), request.headers());
    }
}
