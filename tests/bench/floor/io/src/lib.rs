//! A filter with all the input and output of a decision, and no thought: the benchmark's floor.
//!
//! It fetches the header pairs once, holds the request, fetches every byte of the body once, and
//! sets the header by which Envoy picks the cluster: the one that its configuration names. Whatever
//! a filter of ours costs above this is its own work. It is built by `wasm-build`, for wasm alone.
#![cfg(target_arch = "wasm32")]

use std::rc::Rc;

use proxy_host::envoy::Envoy;
use proxy_host::{RequestBody as _, RequestHeaders as _};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};

const CLUSTER_HEADER: &str = "x-portcullis-cluster";

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { cluster: Rc::from("") }));
}}

struct Root {
    cluster: Rc<str>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let name = self.get_plugin_configuration().unwrap_or_default();
        self.cluster = String::from_utf8_lossy(&name).into();
        !self.cluster.is_empty()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            cluster: Rc::clone(&self.cluster),
            seen: 0,
        }))
    }
}

struct Stream {
    cluster: Rc<str>,
    seen: usize,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        std::hint::black_box(Envoy.header_pairs());
        if end { Action::Continue } else { Action::Pause }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        let fresh = Envoy.body(self.seen, size.saturating_sub(self.seen));
        self.seen += std::hint::black_box(fresh).len();
        if !end {
            return Action::Pause;
        }
        Envoy.set_header(CLUSTER_HEADER, &self.cluster);
        Action::Continue
    }
}
