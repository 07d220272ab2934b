package dir

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/dirlayout"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

// childRoot names the variable that makes this test binary a writer.
const childRoot = "POSTERN_TEST_VAULT_WRITER"

func TestMain(m *testing.M) {
	if root := os.Getenv(childRoot); root != "" {
		if err := writeForEver(root); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeForEver puts objects whose names end in their sizes, from many goroutines,
// and says the name of each once Put has returned.
func writeForEver(root string) error {
	store, err := Open(root)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				size := (w*7919 + i*104729) % 200_000
				name := fmt.Sprintf("raw/%d-%d/%d", w, i, size)
				tags := map[string]string{"writer": strconv.Itoa(w)}
				if _, err := store.Put(noContext, name, bytes.NewReader(vaulttest.Bytes(size)), vault.PutOptions{Tags: tags}); err != nil {
					failed <- err
					return
				}
				fmt.Println(name)
			}
		}()
	}
	return <-failed
}

func TestAWriterThatIsKilledLosesNothingThatItWasToldIsStored(t *testing.T) {
	for round := range 6 {
		root := t.TempDir()
		acknowledged := map[string]bool{}
		for _, name := range killAfter(t, root, 1+round*15) {
			acknowledged[name] = true
		}
		store := open(t, root)
		if entries, err := os.ReadDir(dirlayout.Temp(root)); err != nil || len(entries) != 0 {
			t.Errorf("%d leftovers after opening (%v)", len(entries), err)
		}
		visible := 0
		for object, err := range store.List(t.Context(), "", "") {
			if err != nil {
				t.Fatal(err)
			}
			visible++
			size, err := strconv.Atoi(object.Name[strings.LastIndexByte(object.Name, '/')+1:])
			if err != nil {
				t.Fatal(err)
			}
			body, _, err := store.Get(t.Context(), object.Name)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(body)
			body.Close()
			if err != nil || !bytes.Equal(data, vaulttest.Bytes(size)) {
				t.Errorf("%s has %d other bytes (%v)", object.Name, len(data), err)
			}
			marks, err := store.Marks(t.Context(), object.Name)
			if acknowledged[object.Name] && (err != nil || marks.Tags["writer"] == "") {
				t.Errorf("%s lost its tags (%v)", object.Name, err)
			}
		}
		for name := range acknowledged {
			if _, err := store.Stat(t.Context(), name); err != nil {
				t.Errorf("%s was acknowledged and is lost: %v", name, err)
			}
		}
		t.Logf("round %d: %d acknowledged, %d visible", round, len(acknowledged), visible)
	}
}

// killAfter runs a writer, kills it after it has said so many names, and gives
// all that it had said.
func killAfter(t *testing.T, root string, names int) []string {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childRoot+"="+root)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait() // it was killed, which is an error
	defer child.Process.Kill()
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said = append(said, lines.Text())
		if len(said) == names {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(said) < names {
		t.Fatalf("the writer ended after %d names", len(said))
	}
	return said
}

func TestLeftoversOfAKilledWriterAreSweptAndThoseOfALiveOneAreNot(t *testing.T) {
	root := t.TempDir()
	open(t, root).Close()
	leftover := dirlayout.Temp(root) + "/" + dirlayout.TempPrefix("raw/a") + "X"
	if err := os.WriteFile(leftover, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	first := open(t, root)
	if _, err := os.Stat(leftover); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a leftover was not swept: %v", err)
	}

	// A writer is in the middle of a body while another process opens the vault.
	reading, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := first.Put(t.Context(), "raw/live", reading, vault.PutOptions{})
		done <- err
	}()
	if _, err := writer.Write([]byte("first half ")); err != nil {
		t.Fatal(err)
	}
	second := open(t, root)
	if _, err := writer.Write([]byte("second half")); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if err := <-done; err != nil {
		t.Fatalf("the live writer failed: %v", err)
	}
	if object, err := second.Stat(t.Context(), "raw/live"); err != nil || object.Size != 22 {
		t.Errorf("%+v, %v", object, err)
	}
}
