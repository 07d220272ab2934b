package promise2

import (
	"os"
	"testing"

	"github.com/postern-mail/postern/test/program"
)

func TestMain(m *testing.M) {
	os.Exit(program.Main(m))
}
