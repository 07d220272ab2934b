package embedded_test

import (
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/readmodel/embedded"
	"github.com/postern-mail/postern/pkg/readmodel/readmodeltest"
)

func TestTheEmbeddedServerKeepsThePromises(t *testing.T) {
	readmodeltest.Suite(t, func(t *testing.T) readmodel.Config {
		return start(t).Config()
	})
}

func TestAdvancingEndsShortLivedValues(t *testing.T) {
	server := start(t)
	model, err := readmodel.Open(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if err := model.Short().SetFor(t.Context(), "a", []byte("x"), time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		by    time.Duration
		there bool
	}{{59 * time.Minute, true}, {time.Minute, false}} {
		server.Advance(step.by)
		if _, there, err := model.Short().Get(t.Context(), "a"); there != step.there || err != nil {
			t.Errorf("after another %v: there %v, %v", step.by, there, err)
		}
	}
}

func TestAClosedServerIsAnError(t *testing.T) {
	server := start(t)
	model, err := readmodel.Open(server.Config())
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	if err := model.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := model.Ping(t.Context()); err == nil {
		t.Error("a closed server answers")
	}
}

func start(t testing.TB) *embedded.Server {
	t.Helper()
	server, err := embedded.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server
}

func BenchmarkEmbedded(b *testing.B) { readmodeltest.Bench(b, start(b).Config()) }
