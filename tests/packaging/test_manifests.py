# SPDX-License-Identifier: Apache-2.0
"""The compose file and the Kubernetes manifests: valid, and in step with the image and the settings."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from spanflow.config.load import load
from spanflow.config.schema import Export, Settings
from spanflow.health import HEALTH, READINESS

REPOSITORY = Path(__file__).parents[2]
COMPOSE = REPOSITORY / "packaging/container/compose.yaml"
SIDECAR = REPOSITORY / "packaging/kubernetes/sidecar.yaml"
DAEMONSET = REPOSITORY / "packaging/kubernetes/daemonset.yaml"

# The first version that starts sidecars without a feature gate.
OLDEST_KUBERNETES = "1.29"
DRAIN_S = Export().drain_timeout / 1e9
USER = "65532"

Mapping = dict[str, Any]


def manifests(path: Path) -> dict[str, Mapping]:
    """The objects of a file by kind."""
    return {each["kind"]: each for each in yaml.safe_load_all(path.read_text())}


def pod(path: Path, kind: str) -> Mapping:
    spec: Mapping = manifests(path)[kind]["spec"]["template"]["spec"]
    return spec


def environment(container: Mapping) -> dict[str, str]:
    """The variables; those that the cluster fills in get a pod's uid."""
    uid = "0b1e6a4c-3f0d-4a53-9d9c-4d2b6f3a7e11"
    return {each["name"]: each.get("value", uid) for each in container.get("env", [])}


SIDECAR_POD = pod(SIDECAR, "Deployment")
DAEMONSET_POD = pod(DAEMONSET, "DaemonSet")
SIDECAR_PROBE = SIDECAR_POD["initContainers"][0]
DAEMONSET_PROBE = DAEMONSET_POD["containers"][0]
PROBES = pytest.mark.parametrize("container", [SIDECAR_PROBE, DAEMONSET_PROBE], ids=["sidecar", "daemonset"])


@pytest.mark.parametrize("path", [SIDECAR, DAEMONSET], ids=lambda path: path.name)
def test_kubernetes_knows_every_field(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text()):
        kubernetes_validate.validate(manifest, OLDEST_KUBERNETES, strict=True)


def test_compose_knows_every_field() -> None:
    schema = ["--builtin-schema", "vendor.compose-spec", "--color", "never"]
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, COMPOSE],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_images_have_the_version_of_the_project() -> None:
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert {each["image"] for each in (SIDECAR_PROBE, DAEMONSET_PROBE)} == {f"spanflow:{version}"}


@PROBES
def test_root_with_three_capabilities_and_no_way_to_more(container: Mapping) -> None:
    assert container["securityContext"] == {
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_RAW", "SETUID", "SETGID"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@PROBES
def test_health_is_asked_where_the_daemon_answers(container: Mapping) -> None:
    for name in ("startupProbe", "livenessProbe"):
        assert container[name]["httpGet"]["path"] == HEALTH


def test_sidecar() -> None:
    assert SIDECAR_PROBE["restartPolicy"] == "Always"
    settings = load(None, environment=environment(SIDECAR_PROBE))
    assert [each.name for each in settings.interfaces] == ["eth0"]
    assert len(settings.collectors) == 1
    assert settings.process.user == USER
    # The kubelet asks at the pod's address.
    assert settings.metrics.listen == ("0.0.0.0", port_of(SIDECAR_PROBE))
    # A collector that is away must not take the application out of its Service.
    assert "readinessProbe" not in SIDECAR_PROBE
    assert not SIDECAR_POD.get("hostNetwork", False)
    assert SIDECAR_POD["terminationGracePeriodSeconds"] > DRAIN_S


def port_of(container: Mapping) -> int:
    """The port that its probes name."""
    (port,) = container["ports"]
    assert container["startupProbe"]["httpGet"]["port"] == port["name"]
    number: int = port["containerPort"]
    return number


def daemonset_settings(folder: Path) -> Settings:
    """As the daemon reads them: the file of the ConfigMap, then the variables."""
    (name, text), *others = manifests(DAEMONSET)["ConfigMap"]["data"].items()
    assert not others
    (folder / name).write_text(text)
    (volume,) = DAEMONSET_PROBE["volumeMounts"]
    assert DAEMONSET_PROBE["args"] == ["run", "-c", f"{volume['mountPath']}/{name}"]
    return load(folder / name, environment=environment(DAEMONSET_PROBE))


def test_daemonset(tmp_path: Path) -> None:
    settings = daemonset_settings(tmp_path)
    assert [each.name for each in settings.interfaces] == ["eth0"]
    assert len(settings.collectors) == 1
    assert settings.process.user == USER
    assert DAEMONSET_POD["hostNetwork"] is True
    assert DAEMONSET_POD["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert DAEMONSET_POD["terminationGracePeriodSeconds"] > DRAIN_S
    assert DAEMONSET_PROBE["readinessProbe"]["httpGet"]["path"] == READINESS
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        get = DAEMONSET_PROBE[name]["httpGet"]
        assert (get["host"], get["port"]) == settings.metrics.listen


def test_the_namespace_admits_the_daemonset() -> None:
    found = manifests(DAEMONSET)
    namespace = found["Namespace"]["metadata"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    assert {found[kind]["metadata"]["namespace"] for kind in ("ConfigMap", "DaemonSet")} == {
        namespace["name"]
    }


def test_compose() -> None:
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    probe, collector = services["spanflow"], services["collector"]
    assert probe["network_mode"] == "service:app"
    for service in (probe, collector):
        assert service["user"] == f"{USER}:{USER}"
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert (COMPOSE.parent / service["build"]["context"] / "Dockerfile").is_file()
        # With no-new-privileges the launcher could pass nothing on.
        assert "security_opt" not in service
    assert probe["cap_add"] == ["NET_RAW"]
    assert "cap_add" not in collector
    assert probe["healthcheck"]["test"] == ["CMD", "spanflow", "healthcheck"]
    assert int(probe["stop_grace_period"].removesuffix("s")) > DRAIN_S
    settings = load(None, environment=probe["environment"])
    assert [each.name for each in settings.interfaces] == ["eth0"]
    # Derived from the host name it would be another one for every new container.
    assert settings.export.observation_domain_id is not None
    (to,) = settings.collectors
    # The name of the service, and the port that it listens on.
    assert to.host in services
    assert collector["command"][:3] == ["collect", "--listen", f"0.0.0.0:{to.port}"]
