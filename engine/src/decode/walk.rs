//! Parts that metrics, logs and spans share.

use super::error::WireFault;
use super::wire::Fields;

/// Encoded attributes of the resource in a `Resource*` message.
pub(crate) fn resource_attributes(message: &[u8]) -> Result<Vec<u8>, WireFault> {
    let mut encoded = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        if number == 1 {
            let mut resource = Fields::of(field.bytes()?);
            while let Some((number, field, raw)) = resource.next()? {
                if number == 1 {
                    field.bytes()?;
                    encoded.extend_from_slice(raw);
                }
            }
        }
    }
    Ok(encoded)
}

/// Name of the instrumentation scope in a `Scope*` message.
pub(crate) fn scope_name(message: &[u8]) -> Result<&str, WireFault> {
    let mut name = "";
    let mut fields = Fields::of(message);
    while let Some((number, field, _)) = fields.next()? {
        if number == 1 {
            let mut scope = Fields::of(field.bytes()?);
            while let Some((number, field, _)) = scope.next()? {
                if number == 1 {
                    name = field.text()?;
                }
            }
        }
    }
    Ok(name)
}

/// An id of exactly `N` bytes that are not all zero.
pub(crate) fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok().filter(|id: &[u8; N]| id.iter().any(|&byte| byte != 0))
}

/// Checks every attribute of an item, so that reading them later cannot fail.
pub(crate) fn check_attributes(encoded: &[u8], depth: u32) -> Result<(), WireFault> {
    let mut fields = Fields::of(encoded);
    while let Some((_, field, _)) = fields.next()? {
        let (_, value) = super::value::key_value(field.bytes()?)?;
        super::value::check(value, depth)?;
    }
    Ok(())
}
