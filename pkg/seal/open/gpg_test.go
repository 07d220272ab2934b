package open_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
)

// gpg is a GnuPG home of its own.
type gpg struct {
	t    *testing.T
	home string
}

func newGPG(t *testing.T) *gpg {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("gpg is needed for this test: apt-get install gnupg")
		}
		t.Skip("gpg is not installed: apt-get install gnupg")
	}
	home, err := os.MkdirTemp("", "gpg") // t.TempDir is too long for the agent's socket
	if err != nil {
		t.Fatal(err)
	}
	g := &gpg{t, home}
	t.Cleanup(func() {
		g.command("gpgconf", "--kill", "all").Run() //nolint:errcheck // the agent may not run
		os.RemoveAll(home)
	})
	return g
}

func (g *gpg) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+g.home, "LC_ALL=C")
	return cmd
}

func (g *gpg) run(in []byte, args ...string) ([]byte, error) {
	cmd := g.command("gpg", append([]string{"--batch", "--quiet", "--trust-model", "always"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	return cmd.Output()
}

func (g *gpg) imports(b *open.BucketKey) {
	g.t.Helper()
	private, err := b.Private()
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.run(private, "--import"); err != nil {
		g.t.Fatalf("gpg does not import a bucket's key: %v", err)
	}
}

func TestGnuPGOpensKeyPacketAndEachDataPacket(t *testing.T) {
	old, young := newBucket(t, "intake.raw.20261121.1"), newBucket(t, "mail_30.raw.20261231.1")
	packets := [][]byte{[]byte("From: a@example.org\r\n\r\nhello\r\n"), bytes.Repeat([]byte("0123456789abcdef"), 20_000), []byte("third")}
	ciphertext, s := sealed(t, old.Recipient(), packets...)
	session, err := old.Unwrap(s.KeyPacket)
	if err != nil {
		t.Fatal(err)
	}
	rewrapped, err := young.Recipient().Wrap(session)
	if err != nil {
		t.Fatal(err)
	}

	before, after := newGPG(t), newGPG(t)
	before.imports(old)
	after.imports(young) // the old key was never here, as after its removal
	var start int64
	for i, end := range s.PacketEnds {
		data := ciphertext[start:end]
		start = end
		got, err := before.run(append(bytes.Clone(s.KeyPacket), data...), "--decrypt")
		if err != nil || !bytes.Equal(got, packets[i]) {
			t.Errorf("packet %d with its first key packet: %d bytes, %v", i, len(got), err)
		}
		got, err = after.run(append(bytes.Clone(rewrapped), data...), "--decrypt")
		if err != nil || !bytes.Equal(got, packets[i]) {
			t.Errorf("packet %d after the re-wrap: %d bytes, %v", i, len(got), err)
		}
		if _, err := after.run(append(bytes.Clone(s.KeyPacket), data...), "--decrypt"); err == nil {
			t.Errorf("packet %d opens with its first key packet though that key is gone", i)
		}
		if _, err := before.run(data, "--decrypt"); err == nil {
			t.Errorf("packet %d opens without a key packet", i)
		}
	}
	message, err := seal.Message(young.Recipient(), []byte("a reason"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := after.run(message, "--decrypt"); err != nil || string(got) != "a reason" {
		t.Errorf("a message: %q, %v", got, err)
	}
}

func TestWhatGnuPGSealsOpensHere(t *testing.T) {
	bucket := newBucket(t, "journal.journal.99991231.1")
	g := newGPG(t)
	if _, err := g.run(bucket.Recipient().PublicKey(), "--import"); err != nil {
		t.Fatal(err)
	}
	message, err := g.run([]byte("sealed by gpg"), "--encrypt", "--recipient", "journal.journal.99991231.1",
		"--compress-algo", "none", "--cipher-algo", "AES256", "--output", "-")
	if err != nil {
		t.Fatal(err)
	}
	// RFC 4880 §4.2: old-format packet, tag 1, one length byte.
	if message[0] != 0x84 || int(message[1]) != seal.KeyPacketSize-2 {
		t.Skipf("this gpg writes key packets of another form: % x", message[:2])
	}
	key, err := bucket.Unwrap(message[:seal.KeyPacketSize])
	if err != nil {
		t.Fatal(err)
	}
	got, err := open.Bytes(key, message[seal.KeyPacketSize:], 100)
	if err != nil || string(got) != "sealed by gpg" {
		t.Errorf("%q, %v", got, err)
	}
}
