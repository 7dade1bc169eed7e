//! One request, one answer: the pure steps in their order, and the start of a transfer at their end.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::ops::Range;
use std::sync::Arc;

use http_body::Body as _;
use hyper::body::Incoming;
use hyper::header::RANGE;
use hyper::service::Service;
use hyper::{HeaderMap, Request, Response};

use super::body::Body;
use super::conditions::{self, Verdict};
use super::link::Link;
use super::range::{self, Selection};
use super::request::{self, Head, Route};
use super::response::{self, Outcome};
use super::{Media, ReadKind, Source};

/// Answers the requests of one connection. Never waits: what has to be waited for is in the body.
pub(super) struct Answers {
    pub(super) source: Arc<dyn Source>,
    /// The port the server listens on: it is part of a right Host.
    pub(super) port: u16,
    pub(super) link: Arc<Link>,
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        ready(Ok(self.answer(&request)))
    }
}

impl Answers {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let head = Head {
            method: request.method(),
            target: request.uri(),
            version: request.version(),
            headers: request.headers(),
            has_content: !request.body().is_end_stream(),
        };
        match request::route(&head, self.port) {
            Ok(Route::Get { token }) => match self.source.open(token) {
                Some(media) => self.get(head.headers, media.as_ref()),
                None => self.say(&Outcome::NoStream),
            },
            Ok(Route::Head { token }) => match self.source.open(token) {
                Some(media) => self.say(&Self::without_range(head.headers, media.as_ref())),
                None => self.say(&Outcome::NoStream),
            },
            Ok(Route::Preflight { private_network }) => self.say(&Outcome::Preflight { private_network }),
            Err(refusal) => self.say(&Outcome::Refused(refusal)),
        }
    }

    /// HEAD: as GET, but Range means nothing there (RFC 9110 section 14.2), and no byte is asked for.
    fn without_range<'a>(headers: &HeaderMap, media: &'a dyn Media) -> Outcome<'a> {
        match conditions::evaluate(headers, media.etag()) {
            Verdict::NotModified => Outcome::NotModified(media),
            Verdict::Failed => Outcome::ConditionFailed(media),
            Verdict::Proceed { .. } => Outcome::Whole(media),
        }
    }

    fn get(&self, headers: &HeaderMap, media: &dyn Media) -> Response<Body> {
        let selection = match conditions::evaluate(headers, media.etag()) {
            Verdict::NotModified => return self.say(&Outcome::NotModified(media)),
            Verdict::Failed => return self.say(&Outcome::ConditionFailed(media)),
            Verdict::Proceed { range: false } => Selection::Whole,
            Verdict::Proceed { range: true } => select(headers, media.len()),
        };
        match selection {
            Selection::Unsatisfiable => self.say(&Outcome::Unsatisfiable(media)),
            Selection::Whole if media.len() == 0 => self.say(&Outcome::Whole(media)),
            Selection::Whole => self.send(&Outcome::Whole(media), media, 0..media.len(), ReadKind::OpenEnded),
            Selection::Part { span, kind } => {
                self.send(&Outcome::Part(media, span.clone()), media, span, kind)
            }
        }
    }

    /// An answer with bytes of the file.
    fn send(
        &self,
        outcome: &Outcome<'_>,
        media: &dyn Media,
        span: Range<u64>,
        kind: ReadKind,
    ) -> Response<Body> {
        let len = span.end - span.start;
        let reader = media.reader(span, kind);
        self.link.serving(reader.cancelled());
        response::render(outcome).map(|_| Body::transfer(reader, len, Arc::clone(&self.link)))
    }

    /// An answer without.
    fn say(&self, outcome: &Outcome<'_>) -> Response<Body> {
        self.link.sending_the_rest(None);
        response::render(outcome).map(Body::text)
    }
}

/// Range is no list: two lines of it say nothing that could be honoured.
fn select(headers: &HeaderMap, len: u64) -> Selection {
    let mut lines = headers.get_all(RANGE).iter();
    match (lines.next(), lines.next()) {
        (Some(only), None) => range::select(only.as_bytes(), len),
        _ => Selection::Whole,
    }
}
