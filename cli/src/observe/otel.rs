//! Spans by OTLP over HTTP, in batches from a thread of their own: a collector that is slow or gone costs spans, never time.

use std::{
    io::Read as _,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{
        BatchSpanProcessor, Sampler, SamplingDecision, ShouldSample as _, SpanData, SpanEvents, SpanLinks,
        SpanProcessor as _,
    },
};
use patchline_engine::trace::{Observer, Part, Span};

use crate::failure::{Failure, Result};

/// One request, if the environment says nothing.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a collector's answer nothing more is read.
const MOST_ANSWER: u64 = 64 << 10;
/// What an orderly stop waits for the last batch.
const STOP: Duration = Duration::from_secs(5);

/// Sends spans to a collector. The endpoint, its headers, the batches' sizes, the sampler and the resource are taken
/// from the environment, as OpenTelemetry's specification names the variables.
#[derive(Debug)]
pub(super) struct Exporter {
    processor: BatchSpanProcessor,
    sampler: Sampler,
    scope: InstrumentationScope,
}

impl Exporter {
    pub(super) fn start() -> Result<Self> {
        // What the library says of a wrong value repeats it, and an endpoint may hold a password.
        let refused = |_| {
            Failure::usage("otel-invalid", "the OTEL_EXPORTER_OTLP_… variables name no collector that can be asked")
                .hint("give OTEL_EXPORTER_OTLP_ENDPOINT an address such as http://127.0.0.1:4318, and compression none")
        };
        let exporter =
            SpanExporter::builder().with_http().with_http_client(Client::new()?).build().map_err(refused)?;
        let mut resource = Resource::builder();
        if !named() {
            resource = resource.with_service_name("patchline");
        }
        let resource = resource
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())))
            .build();
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(&resource);
        let scope =
            InstrumentationScope::builder("patchline").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { processor, sampler: sampler(), scope })
    }

    /// Sends what waits, and ends.
    pub(super) fn stop(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(STOP) {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }

    fn data(&self, span: Span) -> SpanData {
        let flags = TraceFlags::SAMPLED;
        let id = SpanId::from_bytes(span.context.span.0);
        let trace = TraceId::from_bytes(span.context.trace.0);
        let mut attributes = vec![
            KeyValue::new("run.id", span.run.0),
            KeyValue::new("chain", span.chain.clone()),
            KeyValue::new("subject", span.subject),
            KeyValue::new("outcome", span.outcome),
        ];
        let name = match span.part {
            Part::Run { trigger, round } => {
                attributes.push(KeyValue::new("run.trigger", format!("{trigger:?}").to_lowercase()));
                attributes.push(KeyValue::new("run.round", i64::from(round)));
                format!("run {}", span.chain)
            }
            Part::Step { name, kind, attempt } => {
                attributes.push(KeyValue::new("step.name", name.clone()));
                attributes.push(KeyValue::new("step.kind", kind));
                attributes.push(KeyValue::new("step.attempt", i64::from(attempt)));
                name
            }
        };
        let bad = matches!(span.outcome, "failed" | "unknown" | "retried" | "lost");
        let status = match &span.problem {
            Some(problem) if bad => Status::error(problem.message.clone()),
            None if bad => Status::error(span.outcome),
            _ => Status::Unset,
        };
        if let Some(problem) = span.problem {
            // Semantic conventions, "error.type": a stable word.
            attributes.push(KeyValue::new("error.type", problem.code));
        }
        let start = SystemTime::from(span.start);
        SpanData {
            span_context: SpanContext::new(trace, id, flags, false, TraceState::default()),
            parent_span_id: span.parent.map_or(SpanId::INVALID, |id| SpanId::from_bytes(id.0)),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: start,
            // The clock may have been set back in between.
            end_time: SystemTime::from(span.end).max(start),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status,
            instrumentation_scope: self.scope.clone(),
        }
    }
}

impl Observer for Exporter {
    fn ended(&self, span: Span) {
        let trace = TraceId::from_bytes(span.context.trace.0);
        let sampled = self.sampler.should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
        if sampled.decision == SamplingDecision::RecordAndSample {
            // Its queue is bounded; what finds it full is dropped.
            self.processor.on_end(self.data(span));
        }
    }
}

/// Whether the environment names the service.
fn named() -> bool {
    std::env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty())
        || std::env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|all| all.contains("service.name="))
}

/// By the trace's id, so that every process decides alike. A run has no parent outside: `parentbased_…` is its root's.
fn sampler() -> Sampler {
    let name = std::env::var("OTEL_TRACES_SAMPLER").unwrap_or_default();
    let ratio = std::env::var("OTEL_TRACES_SAMPLER_ARG").ok().and_then(|text| text.trim().parse().ok());
    match name.strip_prefix("parentbased_").unwrap_or(&name) {
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio.unwrap_or(1.0)),
        "always_on" | "" => Sampler::AlwaysOn,
        other => {
            tracing::warn!("OTEL_TRACES_SAMPLER: there is no sampler `{other}`; every run is traced");
            Sampler::AlwaysOn
        }
    }
}

/// The HTTP client below: blocking, because it is asked by the batches' own thread.
struct Client {
    client: reqwest::blocking::Client,
    /// The last request failed: said once, not with every batch.
    down: AtomicBool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    fn new() -> Result<Self> {
        let failed =
            |why: &str| Failure::says("otel-invalid", format!("spans cannot be sent: no HTTP client: {why}"));
        let timeout = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]
            .iter()
            .find_map(|name| std::env::var(name).ok()?.trim().parse().ok())
            .map_or(TIMEOUT, Duration::from_millis);
        // A blocking client is not to be made on a thread of the runtime.
        let made = std::thread::spawn(move || {
            // An error means that the process has a provider already.
            let _ = rustls::crypto::ring::default_provider().install_default();
            reqwest::blocking::Client::builder()
                .user_agent(concat!("patchline/", env!("CARGO_PKG_VERSION")))
                // Headers are secrets: they go where they were meant to go.
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(Duration::from_secs(5).min(timeout))
                .timeout(timeout)
                .build()
        });
        let client = made.join().map_err(|_| failed("its thread panicked"))?;
        let client = client.map_err(|error| failed(&error.without_url().to_string()))?;
        Ok(Self { client, down: AtomicBool::new(false) })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, reqwest::Error> {
        let (parts, body) = request.into_parts();
        let answer = self
            .client
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body)
            .send()
            .map_err(reqwest::Error::without_url)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = Vec::new();
        // What a collector says further is not needed; that it breaks off is no failure.
        let _ = answer.take(MOST_ANSWER).read_to_end(&mut body);
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        let problem = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("the collector answers {}", answer.status().as_u16())),
            Err(error) if error.is_timeout() => Some("the collector does not answer in time".to_owned()),
            Err(error) if error.is_connect() => Some("the collector cannot be reached".to_owned()),
            Err(_) => Some("the connection to the collector broke".to_owned()),
        };
        let was_down = self.down.swap(problem.is_some(), Ordering::SeqCst);
        match problem {
            Some(problem) if !was_down => tracing::warn!("spans are not sent: {problem}"),
            None if was_down => tracing::info!("spans are sent again"),
            _ => {}
        }
        Ok(sent?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use patchline_engine::{
        Problem, RunId, TriggerKind,
        trace::{SpanContext as Context, SpanId as Id, TraceId as Trace},
    };

    use super::*;

    fn exporter(sampler: Sampler) -> Exporter {
        // Discard: nobody listens there.
        let builder = SpanExporter::builder().with_http().with_http_client(Client::new().unwrap());
        let exporter =
            opentelemetry_otlp::WithExportConfig::with_endpoint(builder, "http://127.0.0.1:9/v1/traces");
        let processor = BatchSpanProcessor::builder(exporter.build().unwrap()).build();
        Exporter { processor, sampler, scope: InstrumentationScope::builder("patchline").build() }
    }

    fn span() -> Span {
        let run = RunId("01ARZ3NDEKTSV4RRFFQ69G5FAV".into());
        Span {
            context: Context { trace: Trace::of(&run), span: Id::of_step(&run, "scan", 2) },
            parent: Some(Id::of_run(&run)),
            run,
            chain: "web".into(),
            subject: "main/shop/web:v1@sha256:0".into(),
            start: "2026-01-02T03:04:05Z".parse().unwrap(),
            end: "2026-01-02T03:04:04Z".parse().unwrap(),
            outcome: "retried",
            problem: Some(Problem {
                code: "registry-unreachable".into(),
                message: "gone".into(),
                class: "transient".into(),
            }),
            part: Part::Step { name: "scan".into(), kind: "scan".into(), attempt: 1 },
        }
    }

    #[test]
    fn a_failed_attempt_is_an_error_with_its_code() {
        let exporter = exporter(Sampler::AlwaysOn);
        let data = exporter.data(span());
        assert_eq!(data.span_context.trace_id().to_string(), "01563e3ab5d3d6764c61efb99302bd5b");
        assert_eq!(data.status, Status::error("gone"));
        assert!(data.attributes.contains(&KeyValue::new("error.type", "registry-unreachable")));
        assert!(data.end_time >= data.start_time, "no span ends before it begins");
        let run = Span {
            outcome: "denied",
            problem: None,
            part: Part::Run { trigger: TriggerKind::Push, round: 1 },
            ..span()
        };
        assert_eq!(exporter.data(run.clone()).status, Status::Unset, "a refusal is no error");
        assert_eq!(exporter.data(run).name, "run web");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "it is about how long something takes")]
    fn a_collector_that_is_gone_costs_no_time() {
        let exporter = exporter(Sampler::AlwaysOn);
        let began = Instant::now();
        for _ in 0..50_000 {
            exporter.ended(span());
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
