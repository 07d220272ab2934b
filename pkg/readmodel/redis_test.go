package readmodel_test

import (
	"testing"

	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/readmodel/readmodeltest"
	"github.com/postern-mail/postern/pkg/readmodel/redistest"
)

func TestARealServerKeepsThePromises(t *testing.T) {
	readmodeltest.Suite(t, func(t *testing.T) readmodel.Config { return redistest.Start(t) })
}

func TestARealServerThatWritesFilesKeepsThePromises(t *testing.T) {
	readmodeltest.Suite(t, func(t *testing.T) readmodel.Config {
		return redistest.Start(t, redistest.WithAppendOnly(), redistest.WithSnapshots())
	})
}

func TestAConfigurationIsHeldToItsForm(t *testing.T) {
	for _, config := range []readmodel.Config{{}, {Address: "localhost:1", Prefix: "a b"}, {Address: "localhost:1", Prefix: "{a}"}} {
		if model, err := readmodel.Open(config); err == nil {
			model.Close()
			t.Errorf("%+v was accepted", config)
		}
	}
}

func BenchmarkRealServer(b *testing.B) { readmodeltest.Bench(b, redistest.Start(b)) }
