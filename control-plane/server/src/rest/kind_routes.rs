//! The routes of every kind of resource, with their description: one table, and no code for each.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::{MethodRouter, get};
use utoipa::IntoParams;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, Paths,
};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{Ref, Required};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::body::Written;
use super::change_headers::ChangeHeaders;
use super::dry_run::DryRun;
use super::paging::Page;
use super::path_names::PathNames;
use super::query::Parameters;
use super::resources::{self, Added};
use crate::gateway::Gateway;
use crate::sections::{KINDS, Kind, Shape};

type Routes = UtoipaMethodRouter<Arc<Gateway>>;

/// Adds the routes of every kind.
pub(super) fn add_to(router: OpenApiRouter<Arc<Gateway>>) -> OpenApiRouter<Arc<Gateway>> {
    KINDS.iter().fold(router, |router, kind| match kind.shape {
        Shape::Whole => router.routes(whole(kind)),
        _ => router.routes(all(kind)).routes(each(kind)),
    })
}

/// The name of the schema of one resource, which `openapi` derives from the document's.
pub(super) fn schema_name(kind: &Kind) -> String {
    match kind.shape {
        Shape::Map => format!("Named{}", kind.definition),
        Shape::FieldOf(field) => format!("{}Of{}", titled(field), kind.definition),
        Shape::List | Shape::Whole => kind.definition.to_owned(),
    }
}

/// The name of the schema of a page of resources.
pub(super) fn page_name(kind: &Kind) -> String {
    format!("PageOf{}", titled(kind.name))
}

/// The routes of `/api/v1/{kind}`, the list.
fn all(kind: &'static Kind) -> Routes {
    let path = format!("/api/v1/{}", kind.name);
    let mut paths = Paths::new();
    let list = operation(kind, "list", format!("Lists the {}.", kind.name));
    let list = with_parameters(list, Page::into_params(|| None))
        .response("200", answer("A page of them", &page_name(kind)));
    paths.add_path_operation(&path, vec![HttpMethod::Get], list.build());
    let mut router: MethodRouter<Arc<Gateway>> = get(
        move |State(gateway): State<Arc<Gateway>>, Parameters(page): Parameters<Page>| {
            resources::list(kind, gateway, page)
        },
    );
    if !matches!(kind.shape, Shape::FieldOf(_)) {
        let add = operation(kind, "add", format!("Adds a {}.", kind.one))
            .request_body(Some(body(&schema_name(kind))));
        let add = with_parameters(add, Added::into_params(|| Some(ParameterIn::Query)))
            .response("201", answer("The outcome of the change", "WriteReport"))
            .response("200", answer("With `dry_run`, what it would do", "Trial"));
        paths.add_path_operation(&path, vec![HttpMethod::Post], add.build());
        router = router.post(
            move |State(gateway): State<Arc<Gateway>>,
                  Parameters(added): Parameters<Added>,
                  headers: ChangeHeaders,
                  written: Written| {
                resources::add(kind, gateway, added, headers, written)
            },
        );
    }
    (Vec::new(), paths, router)
}

/// The routes of `/api/v1/{kind}/{name}`, one of them.
fn each(kind: &'static Kind) -> Routes {
    let path = format!("/api/v1/{}/{{name}}", kind.name);
    let mut paths = Paths::new();
    let get_one = operation(kind, "get", format!("Shows one of the {}.", kind.name))
        .parameter(name_parameter(kind))
        .response("200", answer("As it can be put back", &schema_name(kind)));
    paths.add_path_operation(&path, vec![HttpMethod::Get], get_one.build());
    let put = put_operation(kind).parameter(name_parameter(kind));
    paths.add_path_operation(&path, vec![HttpMethod::Put], put.build());
    let mut router: MethodRouter<Arc<Gateway>> = get(
        move |State(gateway): State<Arc<Gateway>>, PathNames(name): PathNames<String>| async move {
            resources::get(kind, gateway, name).await
        },
    )
    .put(
        move |State(gateway): State<Arc<Gateway>>,
              PathNames(name): PathNames<String>,
              Parameters(dry_run): Parameters<DryRun>,
              headers: ChangeHeaders,
              written: Written| async move {
            resources::put(kind, gateway, name, dry_run, headers, written).await
        },
    );
    if !matches!(kind.shape, Shape::FieldOf(_)) {
        let delete = operation(kind, "delete", format!("Removes one of the {}.", kind.name))
            .parameter(name_parameter(kind));
        let delete = with_parameters(delete, DryRun::into_params(|| Some(ParameterIn::Query)))
            .response("200", answer("The outcome of the change", "WriteReport"));
        paths.add_path_operation(&path, vec![HttpMethod::Delete], delete.build());
        router = router.delete(
            move |State(gateway): State<Arc<Gateway>>,
                  PathNames(name): PathNames<String>,
                  Parameters(dry_run): Parameters<DryRun>,
                  headers: ChangeHeaders| async move {
                resources::delete(kind, gateway, name, dry_run, headers).await
            },
        );
    }
    (Vec::new(), paths, router)
}

/// The routes of `/api/v1/{kind}` for a section that is one resource.
fn whole(kind: &'static Kind) -> Routes {
    let path = format!("/api/v1/{}", kind.name);
    let mut paths = Paths::new();
    let get_it = operation(
        kind,
        "get",
        format!("Shows the section `{}`.", kind.section),
    )
    .response("200", answer("As it can be put back", &schema_name(kind)));
    paths.add_path_operation(&path, vec![HttpMethod::Get], get_it.build());
    let put = put_operation(kind);
    paths.add_path_operation(&path, vec![HttpMethod::Put], put.build());
    let router: MethodRouter<Arc<Gateway>> = get(move |State(gateway): State<Arc<Gateway>>| {
        resources::get(kind, gateway, String::new())
    })
    .put(
        move |State(gateway): State<Arc<Gateway>>,
              Parameters(dry_run): Parameters<DryRun>,
              headers: ChangeHeaders,
              written: Written| {
            resources::put(kind, gateway, String::new(), dry_run, headers, written)
        },
    );
    (Vec::new(), paths, router)
}

fn put_operation(kind: &Kind) -> OperationBuilder {
    let sentence = match kind.shape {
        Shape::Whole => format!("Replaces the section `{}`.", kind.section),
        Shape::FieldOf(field) => format!("Replaces the {field} of a {}.", kind.one),
        Shape::Map | Shape::List => format!("Adds or replaces a {}.", kind.one),
    };
    let put = operation(kind, "put", sentence).request_body(Some(body(&schema_name(kind))));
    with_parameters(put, DryRun::into_params(|| Some(ParameterIn::Query)))
        .response("200", answer("The outcome of the change", "WriteReport"))
}

fn operation(kind: &Kind, verb: &str, sentence: String) -> OperationBuilder {
    OperationBuilder::new()
        .operation_id(Some(format!("{verb}_{}", kind.name)))
        .tag(kind.name)
        .summary(Some(sentence))
}

fn with_parameters(operation: OperationBuilder, parameters: Vec<Parameter>) -> OperationBuilder {
    parameters
        .into_iter()
        .fold(operation, OperationBuilder::parameter)
}

fn name_parameter(kind: &Kind) -> Parameter {
    ParameterBuilder::new()
        .name("name")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(format!("The name of the {}", kind.one)))
        .schema(Some(
            utoipa::openapi::ObjectBuilder::new()
                .schema_type(utoipa::openapi::schema::Type::String),
        ))
        .build()
}

fn answer(description: &str, schema: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema)));
    ResponseBuilder::new()
        .description(description)
        .content("application/json", content.build())
        .build()
}

fn body(schema: &str) -> RequestBody {
    let content = || {
        ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(schema)))
            .build()
    };
    RequestBodyBuilder::new()
        .content("application/json", content())
        .content("application/yaml", content())
        .required(Some(Required::True))
        .build()
}

/// A word with a capital, as the names of schemas have.
fn titled(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
