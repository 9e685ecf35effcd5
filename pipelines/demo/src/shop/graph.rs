//! The shop's services and who calls whom: a constant, so that a reader can check a verdict against it.
//!
//! Promises: the calls form a directed graph without cycles (a test proves it). It holds no state.

/// A service of the shop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Service {
    /// `service.name`.
    pub name: &'static str,
    /// Pods at rest.
    pub replicas: u32,
    /// Version that runs when the demo begins.
    pub version: &'static str,
    /// Memory of a warm pod.
    pub memory_mib: f64,
    /// Name of its instrumentation scope and logger.
    pub logger: &'static str,
    /// Whether its pods say `vcs.ref.head.revision`, or leave the mapping from version to commit to the reader.
    pub tells_revision: bool,
    /// Whether it speaks the older names of the semantic conventions for code locations.
    pub old_names: bool,
    /// Whether it exports over OTLP/gRPC instead of OTLP/HTTP.
    pub speaks_grpc: bool,
}

/// An operation of a service, with what it costs and whom it calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Operation {
    /// Index into [`SERVICES`].
    pub service: usize,
    /// HTTP method.
    pub method: &'static str,
    /// `http.route`.
    pub route: &'static str,
    /// Function that serves it, for code locations.
    pub function: &'static str,
    /// Median of its own time.
    pub own_ms: f64,
    /// Calls, one after the other.
    pub calls: &'static [Call],
    /// Share of the shop's front traffic; 0 for inner operations.
    pub front_share: f64,
}

/// One call of an operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Call {
    /// Index into [`OPERATIONS`].
    pub operation: usize,
    /// How often the call is made per request.
    pub share: f64,
    /// Whether the caller fails when the callee does.
    pub required: bool,
}

/// Index of the service at the front.
pub const FRONTEND: usize = 0;
/// Index of the database that several services share.
pub const DATABASE: usize = 9;

/// The services.
pub const SERVICES: &[Service] = &[
    service("frontend", 4, "3.8.1", 180.0, "shop.frontend.Router"),
    quiet(service("cart", 4, "1.14.2", 120.0, "shop.cart.CartController")),
    service("checkout", 3, "2.2.0", 150.0, "shop.checkout.OrderSaga"),
    quiet(service("catalog", 4, "4.0.7", 210.0, "shop.catalog.ProductIndex")),
    service("pricing", 4, "1.9.3", 90.0, "shop.pricing.QuoteEngine"),
    service("inventory", 4, "2.6.5", 110.0, "shop.inventory.StockReader"),
    quiet(service("recommendation", 4, "0.31.0", 260.0, "shop.recommendation.Ranker")),
    Service { old_names: true, ..service("payment", 3, "5.1.1", 140.0, "shop.payment.CardGateway") },
    Service { speaks_grpc: true, ..service("shipping", 3, "1.3.4", 95.0, "shop.shipping.LabelPrinter") },
    service("orders-db", 3, "16.4.0", 420.0, "shop.database.Session"),
];

/// The operations. Callees stand after their callers, so the graph has no cycle.
pub const OPERATIONS: &[Operation] = &[
    front(0.34, "GET", "/", "home", &[must(4), may(7, 1.0)]),
    front(0.36, "GET", "/products/{id}", "product", &[must(5), must(9), may(7, 0.5)]),
    front(0.20, "POST", "/cart/items", "add_to_cart", &[must(6)]),
    front(0.10, "POST", "/checkout", "checkout", &[must(8)]),
    inner(3, ("GET", "/catalog/list"), "list_products", 9.0, &[may(13, 0.5), must(14)]),
    inner(3, ("GET", "/catalog/products/{id}"), "get_product", 6.0, &[must(13), must(14)]),
    inner(1, ("POST", "/carts/{id}/items"), "add_item", 5.0, &[must(9), must(15)]),
    inner(6, ("GET", "/recommendations"), "rank", 14.0, &[]),
    inner(2, ("POST", "/orders"), "place_order", 11.0, &[must(10), must(9), must(11), must(12), must(15)]),
    inner(4, ("GET", "/quotes/{sku}"), "quote", 7.0, &[may(14, 0.3)]),
    inner(1, ("GET", "/carts/{id}"), "load_cart", 4.0, &[must(14)]),
    inner(7, ("POST", "/charges"), "charge", 32.0, &[]),
    inner(8, ("POST", "/labels"), "book_label", 18.0, &[]),
    inner(5, ("GET", "/stock/{sku}"), "read_stock", 5.0, &[must(14)]),
    inner(DATABASE, ("POST", "/query/read"), "select", 2.5, &[]),
    inner(DATABASE, ("POST", "/query/write"), "commit", 5.0, &[]),
];

/// Index of the service with this name.
#[must_use]
pub fn service_named(name: &str) -> Option<usize> {
    SERVICES.iter().position(|service| service.name == name)
}

/// The operation at an index; indices come from this module's own tables.
#[must_use]
pub fn operation_of(index: usize) -> &'static Operation {
    OPERATIONS.get(index).expect("indices of operations come from the constant table")
}

const fn service(
    name: &'static str,
    replicas: u32,
    version: &'static str,
    memory_mib: f64,
    logger: &'static str,
) -> Service {
    Service {
        name,
        replicas,
        version,
        memory_mib,
        logger,
        tells_revision: true,
        old_names: false,
        speaks_grpc: false,
    }
}

const fn quiet(service: Service) -> Service {
    Service { tells_revision: false, ..service }
}

const fn front(
    front_share: f64,
    method: &'static str,
    route: &'static str,
    function: &'static str,
    calls: &'static [Call],
) -> Operation {
    Operation { service: FRONTEND, method, route, function, own_ms: 3.0, calls, front_share }
}

const fn inner(
    service: usize,
    (method, route): (&'static str, &'static str),
    function: &'static str,
    own_ms: f64,
    calls: &'static [Call],
) -> Operation {
    Operation { service, method, route, function, own_ms, calls, front_share: 0.0 }
}

const fn must(operation: usize) -> Call {
    Call { operation, share: 1.0, required: true }
}

const fn may(operation: usize, share: f64) -> Call {
    Call { operation, share, required: false }
}
