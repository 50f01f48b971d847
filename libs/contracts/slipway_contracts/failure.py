"""Failures as the user meets them: where, why by a stable code, and what to do next."""

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Stage(StrEnum):
    """Where in the life of a release the failure happened."""

    BUILD = "build"
    START = "start"
    HEALTH = "health"
    SMOKE_TEST = "smoke-test"
    CAPACITY = "capacity"
    TRAFFIC = "traffic"
    DEADLINE = "deadline"
    COMMAND = "command"


class Reason(StrEnum):
    """Stable codes: a code is never renamed or reused, a new cause gets a new code."""

    ARCHIVE_REFUSED = "ArchiveRefused"
    BUILD_FAILED = "BuildFailed"
    BUILD_NOT_CANCELABLE = "BuildNotCancelable"
    CAPACITY_EXCEEDED = "CapacityExceeded"
    CRASH_LOOP = "CrashLoop"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    DEPLOYMENT_STOPPED = "DeploymentStopped"
    DISK_FULL = "DiskFull"
    ENDPOINT_FILE_MISSING = "EndpointFileMissing"
    HEALTH_CHECK_FAILED = "HealthCheckFailed"
    IMAGE_UNUSABLE = "ImageUnusable"
    LABEL_TAKEN = "LabelTaken"
    MANIFEST_INVALID = "ManifestInvalid"
    MANIFEST_MISSING = "ManifestMissing"
    MESSAGE_DEAD = "MessageDead"
    NEVER_LISTENED = "NeverListened"
    NOTHING_TO_CANCEL = "NothingToCancel"
    PYTHON_NOT_AVAILABLE = "PythonNotAvailable"
    PORT_TAKEN = "PortTaken"
    RELEASE_NOT_RESTORABLE = "ReleaseNotRestorable"
    RELEASE_UNKNOWN = "ReleaseUnknown"
    REPLICA_EXITED = "ReplicaExited"
    REPLICA_HUNG = "ReplicaHung"
    REQUIREMENTS_UNRESOLVABLE = "RequirementsUnresolvable"
    SECRET_MISSING = "SecretMissing"
    SMOKE_TEST_FAILED = "SmokeTestFailed"
    SOURCE_MISSING = "SourceMissing"
    STOP_NOT_FINISHED = "StopNotFinished"
    TRAFFIC_NOT_ROUTED = "TrafficNotRouted"
    VERSION_NOT_RUNNABLE = "VersionNotRunnable"
    WRONG_PORT = "WrongPort"


class FailureRecord(BaseModel):
    """Why something failed, kept after the replica or the build is gone."""

    model_config = ConfigDict(frozen=True)

    stage: Stage = Field(description="Where it failed.")
    reason: Reason = Field(description="Stable code of the cause.")
    message: str = Field(description="What happened, in one or two sentences.")
    hint: str = Field(description="What to do next.")
    at: AwareDatetime = Field(description="When it was seen.")
    exit_code: int | None = Field(default=None, description="Exit code, if the process exited by itself.")
    signal: str | None = Field(default=None, description="Name of the signal that ended the process.")
    log_tail: tuple[str, ...] = Field(default=(), description="Last log lines, oldest first.")
    endpoint: str | None = Field(default=None, description="Endpoint that failed, where it was one.")
    replica: str | None = Field(default=None, description="Replica that failed, where it was one.")
