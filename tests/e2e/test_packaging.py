"""What an installed muxgate is run by: the systemd unit, log rotation, the Kubernetes manifests. The Debian
package and the container's file system are tests/package/run's."""

import grp
import http.client
import json
import os
import pwd
import re
import signal
import stat
import subprocess
import urllib.parse

import pytest

from harness import servers, settings, tls, wait

TREE = settings.HERE.parent.parent
EXPOSURE = 20  # the most that `systemd-analyze security` may find, in tenths


def use(gate):
    client = gate.connect()
    client.echo(b"hello")
    client.close()
    return client


# --- systemd -------------------------------------------------------------------------------------

@pytest.fixture
def unit(tmp_path):
    """The unit, with the program under test in it."""
    text = (TREE / "packaging/systemd/muxgate.service.in").read_text()
    path = tmp_path / "muxgate.service"
    path.write_text(text.replace("@sbindir@/muxgate", settings.binary()).replace("@sysconfdir@", "/etc"))
    assert "@" not in re.sub(r"^#.*$|SystemCallFilter=.*", "", path.read_text(), flags=re.M)
    return path


def test_systemd_understands_the_unit(unit, need, command):
    socket = unit.with_suffix(".socket")
    socket.write_text((TREE / "packaging/systemd/muxgate.socket").read_text())
    status, _, errors = command(need("systemd-analyze"), "verify", "--man=no", unit, socket)
    ours = [line for line in errors.decode().splitlines() if "muxgate" in line]
    assert status == 0 and not ours, errors.decode()


def test_the_socket_is_that_of_the_first_configuration():
    config = json.loads((TREE / "packaging/muxgate.json").read_text())
    opened = re.findall(r"^ListenStream=(.*)$", (TREE / "packaging/systemd/muxgate.socket").read_text(), flags=re.M)
    assert opened == [listener["bind"] for listener in config["listeners"].values()]


def test_the_service_may_do_little(unit, need, command):
    status, told, errors = command(need("systemd-analyze"), "security", "--offline=yes", f"--threshold={EXPOSURE}",
                                   "--no-pager", unit)
    assert status == 0, told.decode() + errors.decode()


def allowed_calls(analyze, unit):
    """The system calls that the unit's filter lets through."""
    listed, sets = subprocess.run([analyze, "syscall-filter", "--no-pager"], capture_output=True, text=True,
                                  check=True).stdout, {}
    for line in listed.splitlines():
        if line.startswith("@"):
            members = sets.setdefault(line.strip(), set())
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.add(line.strip())

    def expand(name):
        return set().union(*map(expand, sets[name])) if name.startswith("@") else {name}
    allowed = set()
    for words in re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), flags=re.M):
        calls = set().union(*map(expand, words.lstrip("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls
    return allowed | expand("@default")


@pytest.mark.skipif(settings.sanitized(), reason="the sanitizers make calls of their own")
def test_the_service_may_make_every_call_that_it_makes(unit, launch, build, need, tmp_path):
    trace, analyze = tmp_path / "trace", need("systemd-analyze")
    config = build(None, {"app": servers.EchoServer()}, admin=True, top={"log": {"access": str(tmp_path / "log")}})
    gate = launch(config, wrapper=[need("strace"), "-D", "-f", "-o", str(trace)], check_books=False)
    use(gate)
    secure = tls.TlsPeer(gate.connect(), name="localhost")
    secure.echo(b"x" * 200000)
    secure.close()
    bulk = gate.connect()
    for _ in range(8):
        bulk.echo(b"y" * 200000)
    bulk.close()
    assert gate.admin.ask("GET", "/readyz").status == 200
    gate.signal(signal.SIGHUP)
    gate.event("reload.done")
    gate.signal(signal.SIGUSR1)
    gate.event("log.reopen")
    gate.stop()
    wait.until(lambda: "+++ exited with 0 +++" in trace.read_text(), "the trace is whole")
    made = set(re.findall(r"^\d+ +(\w+)\(", trace.read_text(), flags=re.M))
    assert {"accept4", "setrlimit", "prlimit64", "epoll_wait"} & made
    assert not made - allowed_calls(analyze, unit)


# --- log rotation --------------------------------------------------------------------------------

def test_logrotate_moves_the_log_and_loses_no_line(launch, build, need, tmp_path):
    folder, tools = tmp_path / "log", tmp_path / "tools"
    folder.mkdir(mode=0o750)
    tools.mkdir()
    gate = launch(build([{"pool": "app"}], {"app": servers.EchoServer()}, tls=None,
                        top={"log": {"access": str(folder / "access.log")}}))
    systemctl = tools / "systemctl"  # systemd is not there: what it is asked is written down, and done
    systemctl.write_text(f'#!/bin/sh\necho "$@" >>{tools}/asked\nkill -USR1 {gate.pid}\n')
    systemctl.chmod(0o755)
    me, mine = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    text = (TREE / "packaging/logrotate/muxgate").read_text()
    assert "su muxgate muxgate" in text and "/var/log/muxgate/" in text
    file = tmp_path / "muxgate"
    file.write_text(text.replace("/var/log/muxgate", str(folder)).replace("su muxgate muxgate", f"su {me} {mine}"))
    file.chmod(0o644)

    def lines(name):
        path = folder / name
        return [json.loads(line)["client"] for line in path.read_text().splitlines()] if path.exists() else []
    clients = []
    for turn in range(2):
        clients.append(use(gate).name)
        wait.until(lambda: clients[-1] in lines("access.log"), "the line is there")
        opened = len(gate.events_with("log.reopen"))
        subprocess.run([need("logrotate"), "-f", "-s", tmp_path / "state", file], check=True, timeout=60,
                       env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
        wait.until(lambda: len(gate.events_with("log.reopen")) > opened, "the log was opened anew")
    clients.append(use(gate).name)
    wait.until(lambda: clients[-1] in lines("access.log"), "the line is in the new file")
    assert lines("access.log") == clients[2:] and lines("access.log.1") == clients[1:2]
    assert (folder / "access.log.2.gz").exists(), "the one before is compressed"
    asked = (tools / "asked").read_text().splitlines()
    assert asked == ["kill --kill-whom=all --signal=USR1 muxgate.service"] * 2
    assert stat.S_IMODE((folder / "access.log").stat().st_mode) & 0o007 == 0, "not for everybody"


# --- Kubernetes ----------------------------------------------------------------------------------

@pytest.fixture
def manifests():
    yaml = pytest.importorskip("yaml")
    documents = yaml.safe_load_all((TREE / "packaging/kubernetes/muxgate.yaml").read_text())
    found = {document["kind"]: document for document in documents}
    assert set(found) == {"ConfigMap", "Secret", "Deployment", "Service", "NetworkPolicy"}
    return found


def container_of(manifests):
    return manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0]


def seconds_of(duration):
    number, unit = re.fullmatch(r"(\d+)(s|m)", duration).groups()
    return int(number) * {"s": 1, "m": 60}[unit]


def test_the_manifests_hang_together(manifests):
    pod, container = manifests["Deployment"]["spec"]["template"]["spec"], container_of(manifests)
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    selectors = [manifests["Deployment"]["spec"]["selector"]["matchLabels"], manifests["Service"]["spec"]["selector"],
                 manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]]
    assert all(selector.items() <= labels.items() for selector in selectors)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert mounts["/etc/muxgate"]["configMap"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
    assert mounts["/run/secrets/muxgate"]["secret"]["secretName"] == manifests["Secret"]["metadata"]["name"]
    assert manifests["Secret"]["type"] == "kubernetes.io/tls"
    assert set(manifests["Secret"]["stringData"]) == {"tls.crt", "tls.key"}
    file = container["args"][container["args"].index("-c") + 1]
    assert os.path.dirname(file) == "/etc/muxgate" and os.path.basename(file) in manifests["ConfigMap"]["data"]
    named = [port["targetPort"] for port in manifests["Service"]["spec"]["ports"]]
    named += [port["port"] for rule in manifests["NetworkPolicy"]["spec"]["ingress"] for port in rule["ports"]]
    named += [container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")]
    assert set(named) == set(ports)
    annotations = manifests["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    assert int(annotations["prometheus.io/port"]) == ports["admin"]


def test_the_pod_may_do_little(manifests):
    pod, security = manifests["Deployment"]["spec"]["template"]["spec"], container_of(manifests)["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert security["readOnlyRootFilesystem"] is True and security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]} and pod["automountServiceAccountToken"] is False
    assert str(pod["securityContext"]["runAsUser"]) in (TREE / "packaging/Dockerfile").read_text()


def test_the_pods_configuration_runs_and_its_probes_answer(manifests, launch, pair):
    container, config = container_of(manifests), json.loads(manifests["ConfigMap"]["data"]["muxgate.json"])
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    assert seconds_of(config["drain_timeout"]) < pod["terminationGracePeriodSeconds"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    listener, admin = config["listeners"]["combined"], config["admin"]
    certificate = listener["tls"]["certificates"][0]
    for place in [*certificate.values(), admin["socket"]]:
        assert os.path.dirname(place) in mounts, f"{place} is in a volume"
    assert {os.path.basename(place) for place in certificate.values()} == set(manifests["Secret"]["stringData"])
    assert listener.pop("bind") == f"*:{ports['combined']}" and admin["http"] == f"*:{ports['admin']}"
    # The certificate, the server and the ports of this machine in place of the pod's.
    listener["tls"]["certificates"][0] = pair.config()
    config["pools"]["application"]["servers"] = [servers.EchoServer().address]
    config["admin"] = {"socket": "admin.sock", "http": "127.0.0.1:@admin"}
    gate = launch(config)
    use(gate)
    secure = tls.TlsPeer(gate.connect(), name="localhost")
    secure.echo(b"hello")
    secure.close()
    for probe in ("livenessProbe", "readinessProbe"):
        probe = urllib.parse.quote(container[probe]["httpGet"]["path"])
        connection = http.client.HTTPConnection("127.0.0.1", gate.ports["admin"], timeout=settings.seconds(10))
        connection.request("GET", probe, headers={"Host": "10.1.2.3:9019", "Connection": "close"})
        assert connection.getresponse().status == 200, probe
        connection.close()


def test_the_package_builds_with_what_the_quickstart_installs():
    quickstart = re.search(r"^packages=\((.*)\)$", (TREE / "scripts/quickstart").read_text(), flags=re.M)[1].split()
    wanted = {name for name in quickstart if name.endswith("-dev")}
    named = set(re.findall(r"^ ([a-z][a-z0-9+.-]*)", (TREE / "debian/control").read_text(), flags=re.M))
    assert wanted and wanted <= named, wanted - named


def test_the_first_configuration_is_good_and_opens_nothing(command):
    file = TREE / "packaging/muxgate.json"
    config = json.loads(file.read_text())
    assert all(listener["bind"].startswith("127.0.0.1:") for listener in config["listeners"].values())
    assert "http" not in config["admin"]
    status, _, errors = command(settings.binary(), "-c", file, "-t")
    # The folders of an installed muxgate may not be there; nothing else may be wrong.
    wrong = [line for line in errors.decode().splitlines() if "cannot use the folder" not in line]
    assert not wrong and status in (0, 1)
