package ingest

import (
	"errors"
	"strings"
	"testing"
)

func TestAPanicIsAnErrorThatNamesItsPlaceAndNotItsValue(t *testing.T) {
	work := func() (err error) {
		defer caught(&err)
		panic("dear customer")
	}
	err := work()
	if !errors.Is(err, errPanicked) || strings.Contains(err.Error(), "dear customer") || !strings.Contains(err.Error(), "TestAPanicIsAnError") {
		t.Errorf("panic became %v", err)
	}
	calm := func() (err error) {
		defer caught(&err)
		return nil
	}
	if err := calm(); err != nil {
		t.Errorf("no panic became %v", err)
	}
}
