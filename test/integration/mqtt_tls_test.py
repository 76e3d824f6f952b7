"""A broker as config/mosquitto.conf and mosquitto.acl make it: TLS, users with passwords, and who may
say what."""

import os
import shutil
import subprocess
import time
import unittest

import harness

PASSWORDS = {"matriculad": "segredo:1/2", "secretaria": "segredo2", "painel": "segredo3"}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_authority(directory, name):
    """A certificate authority of its own; the path of its certificate."""
    path = os.path.join(directory, name)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
            "-keyout", path + ".key", "-out", path + ".crt")
    return path + ".crt"


class SecureMosquitto(harness.Mosquitto):
    """mosquitto with the configuration that config/ has for production, its paths replaced."""

    def __init__(self):
        super().__init__()
        certs = os.path.join(self.directory, "certs")
        os.mkdir(certs)
        self.ca = make_authority(certs, "ca")
        request, extensions = os.path.join(certs, "server.csr"), os.path.join(certs, "san")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
                "-keyout", os.path.join(certs, "server.key"), "-out", request)
        with open(extensions, "w", encoding="utf-8") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey",
                os.path.join(certs, "ca.key"), "-CAcreateserial", "-days", "2", "-extfile",
                extensions, "-out", os.path.join(certs, "server.crt"))
        passwords = os.path.join(self.directory, "matricula.passwd")
        open(passwords, "w", encoding="utf-8").close()
        for user, password in PASSWORDS.items():
            subprocess.run(["mosquitto_passwd", "-b", passwords, user, password], check=True)
        config = os.path.join(harness.SOURCE, "config")
        shutil.copy(os.path.join(config, "mosquitto.acl"),
                    os.path.join(self.directory, "matricula.acl"))
        with open(os.path.join(config, "mosquitto.conf"), encoding="utf-8") as file:
            text = file.read()
        assert "/etc/mosquitto/" in text and "listener 8883\n" in text
        text = text.replace("/etc/mosquitto", self.directory).replace(
            "listener 8883\n", "listener %d 127.0.0.1\n" % self.port)
        # As root, mosquitto would give its rights up and could not read what is here.
        text += "user root\npersistence_location %s/\n" % self.directory
        with open(os.path.join(self.directory, "mosquitto.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def url_for(self, user, password=None):
        password = (password or PASSWORDS[user]).replace(":", "%3A").replace("/", "%2F")
        return "mqtts://%s:%s@localhost:%d" % (user, password, self.port)

    def client(self, program, user, *arguments, password=None):
        """Runs mosquitto_pub or mosquitto_sub as `user` (None: as nobody)."""
        who = ["-u", user, "-P", password or PASSWORDS[user]] if user else []
        return subprocess.run(
            [program, "-h", "localhost", "-p", str(self.port), "--cafile", self.ca, "-V", "mqttv5",
             "-q", "1", *who, *arguments], capture_output=True, text=True, timeout=20, check=False)


class Secure(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.broker = self.manage(SecureMosquitto()).start()
        self.pb = harness.pb()

    def start_with(self, url, ca, name="matriculad"):
        # The password stands in the environment, where no `ps` shows it.
        server = self.manage(harness.Matriculad(["--mqtt-ca", ca, "--mqtt", url], name=name))
        at = server.command.index("--mqtt")
        server.environment["MATRICULAD_MQTT"] = server.command[at + 1]
        del server.command[at:at + 2]
        return server.start()

    def name_of(self, admin, key):
        return admin.ObtemAluno(self.pb.Identificador(id=key)).nome

    def test_each_user_may_do_what_the_list_says(self):
        server = self.start_with(self.broker.url_for("matriculad"), self.broker.ca)
        admin = harness.admin(self.channel_to(server))
        publish = lambda user, key, **options: self.broker.client(
            "mosquitto_pub", user, "-t", "portal/admin/aluno/create", "-m", key + ",nome", **options)
        # Another system may ask for changes (and says so until our server is there to hear it).
        harness.wait_until(lambda: publish("secretaria", "desejado").returncode == 0
                           and self.name_of(admin, "desejado") == "nome", what="the ingest",
                           pause_s=0.2)
        # Somebody who only follows hears of changes, and may ask for none.
        sub = subprocess.Popen(
            ["mosquitto_sub", "-h", "localhost", "-p", str(self.broker.port), "--cafile",
             self.broker.ca, "-u", "painel", "-P", PASSWORDS["painel"], "-t", "portal/#", "-q", "1",
             "-V", "mqttv311", "-v", "-W", "10", "-C", "1"], stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        self.assert_ok(admin.NovoAluno(self.pb.Aluno(matricula="11921BSI209", nome="maycon")))
        told, _ = sub.communicate(timeout=20)
        self.assertEqual(told, 'portal/admin/aluno/create '
                               '{"matricula":"11921BSI209","nome":"maycon"}\n')
        publish("painel", "proibido1")
        # Strangers are not let in at all.
        self.assertNotEqual(publish(None, "proibido2").returncode, 0)
        self.assertNotEqual(publish("secretaria", "proibido3", password="errada").returncode, 0)
        self.assertEqual(publish("secretaria", "desejado2").returncode, 0)
        harness.wait_until(lambda: self.name_of(admin, "desejado2") == "nome", what="the last wish")
        for key in ("proibido1", "proibido2", "proibido3"):
            self.assertEqual(self.name_of(admin, key), "")
        for password in PASSWORDS.values():
            self.assertNotIn(password, server.log())

    def assert_one_warning(self, server, pattern):
        lines = harness.wait_until(
            lambda: [line for line in server.log().splitlines() if "mqtt.unavailable" in line],
            what="the warning")
        self.assertRegex(lines[0], pattern)
        time.sleep(1.5)  # it has tried again by now
        lines = [line for line in server.log().splitlines() if "mqtt." in line]
        self.assertEqual(len(lines), 1, lines)
        admin = harness.admin(self.channel_to(server))
        self.assert_ok(admin.NovoAluno(self.pb.Aluno(matricula="mesmo-assim", nome="nome")))

    def test_a_broker_whose_authority_is_unknown_is_refused(self):
        other = make_authority(self.broker.directory, "other")
        server = self.start_with(self.broker.url_for("matriculad"), other)
        self.assert_one_warning(server, "certificate verify failed")

    def test_a_wrong_password_is_said_clearly(self):
        server = self.start_with(self.broker.url_for("matriculad", "errada"), self.broker.ca)
        self.assert_one_warning(server, "(?i)the broker refuses us: .*authori[sz]ed")
        self.assertNotIn("errada", server.log())


if __name__ == "__main__":
    unittest.main()
