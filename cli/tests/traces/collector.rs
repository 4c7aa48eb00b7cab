//! A stand-in for an OpenTelemetry collector: takes OTLP over HTTP and reads the protobuf by the wire format itself.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use axum::{body::Bytes, http::HeaderMap};

/// One span as it arrived. Ids are hexadecimal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Span {
    /// `process.pid` of who sent it.
    pub(crate) pid: u64,
    /// `service.name`.
    pub(crate) service: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty: it has none.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// Unix nanoseconds.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// 2: an error.
    pub(crate) status: u64,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A running one.
pub(crate) struct Collector {
    pub(crate) url: String,
    spans: Arc<Mutex<Vec<Span>>>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Collector {
    /// On a free port; it ends with the process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let this = Self { url, spans: Arc::default(), headers: Arc::default() };
        let (spans, headers) = (this.spans.clone(), this.headers.clone());
        let take = move |given: HeaderMap, body: Bytes| async move {
            spans.lock().unwrap().extend(request(&body));
            headers.lock().unwrap().push(given);
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let router = axum::Router::new().route("/v1/traces", axum::routing::post(take));
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        this
    }
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
    pub(crate) fn headers(&self) -> Vec<HeaderMap> {
        self.headers.lock().unwrap().clone()
    }
}

/// One field of a message.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Protocol Buffers, "Encoding": the fields of a message.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)),
            1 => Value::Number(u64::from_le_bytes(cut(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                Value::Bytes(cut(&mut bytes, length))
            }
            5 => Value::Number(u64::from(u32::from_le_bytes(cut(&mut bytes, 4).try_into().unwrap()))),
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = cut(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint that does not end");
}

fn cut<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (head, rest) = bytes.split_at(length);
    *bytes = rest;
    head
}

/// The messages under a field's number.
fn under<'a>(bytes: &'a [u8], number: u64) -> impl Iterator<Item = &'a [u8]> {
    fields(bytes).into_iter().filter_map(move |(n, value)| match value {
        Value::Bytes(bytes) if n == number => Some(bytes),
        _ => None,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `opentelemetry.proto.common.v1.KeyValue`, under a field's number.
fn attributes(bytes: &[u8], number: u64) -> BTreeMap<String, String> {
    under(bytes, number)
        .map(|pair| {
            let key = under(pair, 1).map(text).next().unwrap_or_default();
            let value = under(pair, 2).next().map(fields).unwrap_or_default();
            let value = value.first().map(|(_, value)| match value {
                Value::Bytes(bytes) => text(bytes),
                Value::Number(number) => number.to_string(),
            });
            (key, value.unwrap_or_default())
        })
        .collect()
}

/// `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`
fn request(bytes: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in under(bytes, 1) {
        let resource = under(resource_spans, 1).next().map(|r| attributes(r, 1)).unwrap_or_default();
        for scope_spans in under(resource_spans, 2) {
            for bytes in under(scope_spans, 2) {
                let mut span = Span {
                    pid: resource["process.pid"].parse().unwrap(),
                    service: resource["service.name"].clone(),
                    attributes: attributes(bytes, 9),
                    ..Span::default()
                };
                for (number, value) in fields(bytes) {
                    match (number, value) {
                        (1, Value::Bytes(bytes)) => span.trace = hex(bytes),
                        (2, Value::Bytes(bytes)) => span.id = hex(bytes),
                        (4, Value::Bytes(bytes)) => span.parent = hex(bytes),
                        (5, Value::Bytes(bytes)) => span.name = text(bytes),
                        (7, Value::Number(at)) => span.start = at,
                        (8, Value::Number(at)) => span.end = at,
                        (15, Value::Bytes(bytes)) => {
                            span.status = fields(bytes)
                                .into_iter()
                                .find_map(|(number, value)| match value {
                                    Value::Number(code) if number == 3 => Some(code),
                                    _ => None,
                                })
                                .unwrap_or_default();
                        }
                        _ => {}
                    }
                }
                spans.push(span);
            }
        }
    }
    spans
}
