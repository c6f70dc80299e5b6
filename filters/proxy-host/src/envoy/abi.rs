//! The calls themselves (proxy-wasm ABI 0.2.1), and nothing else: the one place with `unsafe`.
//!
//! Sound because: the host reads only the ranges that it is given, which live for the call; what it
//! writes goes to the places that it is given; bytes that it returns were allocated by the SDK's
//! `proxy_on_memory_allocate`, as a boxed slice of exactly the returned length, and are handed over
//! once.
#![allow(unsafe_code)]

use std::ptr::null_mut;

use crate::MetricKind;

const OK: u32 = 0;
const REQUEST_HEADERS: u32 = 0;
const REQUEST_BODY: u32 = 0;
const NO_GRPC_STATUS: i32 = -1;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_get_buffer_bytes(
        buffer: u32,
        start: usize,
        length: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_buffer_bytes(
        buffer: u32,
        start: usize,
        length: usize,
        data: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        version: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(
        key: *const u8,
        key_size: usize,
        value: *const u8,
        value_size: usize,
        version: u32,
    ) -> u32;
    fn proxy_set_effective_context(id: u32) -> u32;
    fn proxy_set_property(
        path: *const u8,
        path_size: usize,
        value: *const u8,
        value_size: usize,
    ) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, name_size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
}

/// Bytes that the host wrote into memory that it asked this module for.
fn returned(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Option<Vec<u8>> {
    let mut data: *mut u8 = null_mut();
    let mut size: usize = 0;
    if call(&raw mut data, &raw mut size) != OK {
        return None;
    }
    if data.is_null() {
        return Some(Vec::new());
    }
    Some(unsafe { Vec::from_raw_parts(data, size, size) })
}

pub(super) fn request_header_pairs() -> Option<Vec<u8>> {
    returned(|data, size| unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, data, size) })
}

pub(super) fn replace_request_header(name: &[u8], value: &[u8]) {
    unsafe {
        proxy_replace_header_map_value(
            REQUEST_HEADERS,
            name.as_ptr(),
            name.len(),
            value.as_ptr(),
            value.len(),
        );
    }
}

pub(super) fn remove_request_header(name: &[u8]) {
    unsafe {
        proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len());
    }
}

/// The host replaces from the start as many bytes as it is told; a length beyond the end is all of
/// them.
pub(super) fn replace_request_body(bytes: &[u8]) {
    unsafe {
        proxy_set_buffer_bytes(
            REQUEST_BODY,
            0,
            i32::MAX as usize,
            bytes.as_ptr(),
            bytes.len(),
        );
    }
}

pub(super) fn request_body(start: usize, length: usize) -> Option<Vec<u8>> {
    returned(|data, size| unsafe {
        proxy_get_buffer_bytes(REQUEST_BODY, start, length, data, size)
    })
}

pub(super) fn send_local_response(status: u16, details: &str, headers: &[u8], body: &str) {
    unsafe {
        proxy_send_local_response(
            status.into(),
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            NO_GRPC_STATUS,
        );
    }
}

/// The value and its version; none where there is none.
pub(super) fn shared_data(key: &str) -> Option<(Vec<u8>, u32)> {
    let mut version = 0;
    let bytes = returned(|data, size| unsafe {
        proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &raw mut version)
    })?;
    Some((bytes, version))
}

/// Whether the value was stored.
pub(super) fn set_shared_data(key: &str, value: &[u8], version: u32) -> bool {
    let status = unsafe {
        proxy_set_shared_data(
            key.as_ptr(),
            key.len(),
            value.as_ptr(),
            value.len(),
            version,
        )
    };
    status == OK
}

/// Makes the calls that follow concern another request; false where there is none of this number.
pub(super) fn set_effective_context(id: u32) -> bool {
    unsafe { proxy_set_effective_context(id) == OK }
}

pub(super) fn set_property(name: &str, value: &[u8]) {
    unsafe {
        proxy_set_property(name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
}

pub(super) fn define_metric(kind: MetricKind, name: &str) -> Option<u32> {
    let kind = match kind {
        MetricKind::Counter => 0,
        MetricKind::Gauge => 1,
        MetricKind::Histogram => 2,
    };
    let mut id = 0;
    let status = unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &raw mut id) };
    (status == OK).then_some(id)
}

pub(super) fn increment_metric(id: u32) {
    unsafe {
        proxy_increment_metric(id, 1);
    }
}

pub(super) fn record_metric(id: u32, value: u64) {
    unsafe {
        proxy_record_metric(id, value);
    }
}
