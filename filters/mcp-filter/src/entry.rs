//! How Envoy calls the filter: the SDK's contexts, translated.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_host::envoy::{Envoy, random};
use proxy_host::{NoRandomness, StreamId, shared_hash_key};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

use crate::{Flow, Plugin, Request, VmState};

static ENVOY: Envoy = Envoy;

thread_local! {
    /// The state that survives a change of the configuration: a VM that gets a new one with the
    /// same module is kept.
    static VM: RefCell<Option<VmState>> = const { RefCell::new(None) };
}

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { plugin: None }));
}}

struct Root {
    plugin: Option<Rc<Plugin>>,
}

impl Root {
    fn configure(&self) -> Result<Plugin, String> {
        let json = self.get_plugin_configuration().unwrap_or_default();
        VM.with_borrow_mut(|vm| {
            let vm = match vm {
                Some(vm) => vm,
                None => {
                    let key = shared_hash_key(&ENVOY, random)
                        .map_err(|NoRandomness| "the host gives no random bytes".to_owned())?;
                    vm.insert(VmState::new(key.0))
                }
            };
            Plugin::configure(&json, vm, &ENVOY).map_err(|error| error.to_string())
        })
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.configure() {
            Ok(plugin) => {
                self.plugin = Some(Rc::new(plugin));
                true
            }
            Err(error) => {
                log::error!("{error}");
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let request = Request::new(&ENVOY, self.plugin.clone(), StreamId(id));
        Some(Box::new(Stream(request)))
    }
}

struct Stream(Request<'static, Envoy>);

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, end: bool) -> Action {
        action(self.0.on_headers(end))
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        action(self.0.on_body(size, end))
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        action(self.0.on_trailers())
    }
}

fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Wait => Action::Pause,
    }
}
