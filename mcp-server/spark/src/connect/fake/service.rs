//! The questions of Spark Connect as [`Fake`] answers them; each is noted.

use futures::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use super::responses::response;
use super::{Asked, Ending, Fake, Turn};
use crate::protocol as pb;
use pb::spark_connect_service_server::SparkConnectService;

/// A stream of responses, or the refusal of one.
type Answer = Result<Response<BoxStream<'static, Result<pb::ExecutePlanResponse, Status>>>, Status>;

impl Fake {
    fn note(&self, asked: Asked) {
        self.asked.send_modify(|all| all.push(asked));
    }

    fn play(&self) -> Answer {
        let turn = self.script.lock().expect("sound").pop_front();
        match turn.expect("the script goes on") {
            Turn::Refuse(status) => Err(status),
            Turn::Send(items, ending) => {
                let sent = stream::iter(items).map(|item| Ok(response(item)));
                Ok(Response::new(match ending {
                    Ending::Quiet => sent.boxed(),
                    Ending::Status(status) => {
                        sent.chain(stream::once(async { Err(status) })).boxed()
                    }
                    Ending::Open => sent.chain(stream::pending()).boxed(),
                }))
            }
        }
    }
}

#[tonic::async_trait]
impl SparkConnectService for Fake {
    type ExecutePlanStream = BoxStream<'static, Result<pb::ExecutePlanResponse, Status>>;
    type ReattachExecuteStream = Self::ExecutePlanStream;

    async fn execute_plan(&self, request: Request<pb::ExecutePlanRequest>) -> Answer {
        let request = request.into_inner();
        let mut plans = self.plans.lock().expect("sound");
        plans.extend(request.plan);
        drop(plans);
        self.note(Asked::Execute {
            session: request.session_id,
            operation: request.operation_id.unwrap_or_default(),
        });
        self.play()
    }

    async fn reattach_execute(&self, request: Request<pb::ReattachExecuteRequest>) -> Answer {
        let after = request.into_inner().last_response_id;
        self.note(Asked::Reattach { after });
        self.play()
    }

    async fn interrupt(
        &self,
        request: Request<pb::InterruptRequest>,
    ) -> Result<Response<pb::InterruptResponse>, Status> {
        let Some(pb::interrupt_request::Interrupt::OperationId(operation)) =
            request.into_inner().interrupt
        else {
            return Err(Status::invalid_argument("not an operation"));
        };
        self.note(Asked::Interrupt {
            operation: operation.clone(),
        });
        let mut deaf_to = self.deaf_to.lock().expect("sound");
        let heard = deaf_to.checked_sub(1);
        let interrupted_ids = heard.map_or(vec![operation], |left| {
            *deaf_to = left;
            Vec::new()
        });
        Ok(Response::new(pb::InterruptResponse {
            interrupted_ids,
            ..Default::default()
        }))
    }

    async fn release_execute(
        &self,
        request: Request<pb::ReleaseExecuteRequest>,
    ) -> Result<Response<pb::ReleaseExecuteResponse>, Status> {
        use pb::release_execute_request::Release;
        let request = request.into_inner();
        self.note(match request.release {
            Some(Release::ReleaseUntil(until)) => Asked::ReleaseUntil {
                response: until.response_id,
            },
            _ => Asked::ReleaseAll {
                operation: request.operation_id,
            },
        });
        Ok(Response::new(pb::ReleaseExecuteResponse::default()))
    }

    async fn analyze_plan(
        &self,
        _: Request<pb::AnalyzePlanRequest>,
    ) -> Result<Response<pb::AnalyzePlanResponse>, Status> {
        use pb::analyze_plan_response::{Result as Kind, SparkVersion};
        let answer = self.analyses.lock().expect("sound").pop_front();
        answer.unwrap_or(Ok(()))?;
        let version = "4.3.0".to_owned();
        Ok(Response::new(pb::AnalyzePlanResponse {
            result: Some(Kind::SparkVersion(SparkVersion { version })),
            ..Default::default()
        }))
    }

    async fn config(
        &self,
        request: Request<pb::ConfigRequest>,
    ) -> Result<Response<pb::ConfigResponse>, Status> {
        use pb::config_request::operation::OpType;
        let request = request.into_inner();
        let Some(OpType::Set(set)) = request.operation.and_then(|operation| operation.op_type)
        else {
            return Err(Status::invalid_argument("no settings"));
        };
        let pairs = set.pairs.into_iter();
        self.note(Asked::Open {
            session: request.session_id,
            settings: pairs
                .map(|pair| (pair.key, pair.value.unwrap_or_default()))
                .collect(),
        });
        let _opened = self.openings.lock().await;
        Ok(Response::new(pb::ConfigResponse::default()))
    }

    async fn add_artifacts(
        &self,
        _: Request<Streaming<pb::AddArtifactsRequest>>,
    ) -> Result<Response<pb::AddArtifactsResponse>, Status> {
        Err(Status::unimplemented("add_artifacts"))
    }

    async fn artifact_status(
        &self,
        _: Request<pb::ArtifactStatusesRequest>,
    ) -> Result<Response<pb::ArtifactStatusesResponse>, Status> {
        Err(Status::unimplemented("artifact_status"))
    }

    async fn release_session(
        &self,
        request: Request<pb::ReleaseSessionRequest>,
    ) -> Result<Response<pb::ReleaseSessionResponse>, Status> {
        self.note(Asked::Close {
            session: request.into_inner().session_id,
        });
        Ok(Response::new(pb::ReleaseSessionResponse::default()))
    }

    async fn fetch_error_details(
        &self,
        _: Request<pb::FetchErrorDetailsRequest>,
    ) -> Result<Response<pb::FetchErrorDetailsResponse>, Status> {
        Err(Status::unimplemented("fetch_error_details"))
    }

    async fn clone_session(
        &self,
        _: Request<pb::CloneSessionRequest>,
    ) -> Result<Response<pb::CloneSessionResponse>, Status> {
        Err(Status::unimplemented("clone_session"))
    }

    async fn get_status(
        &self,
        _: Request<pb::GetStatusRequest>,
    ) -> Result<Response<pb::GetStatusResponse>, Status> {
        Err(Status::unimplemented("get_status"))
    }
}
