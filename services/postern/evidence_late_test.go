package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

func TestAServiceThatStandsStillIsToldFromOneThatIsNotThere(t *testing.T) {
	record := asideOf(1, 10, 10, func(r *itemv1.Record) { r.Evidence = []byte("sealed") })
	late := judge{&records{of: []*itemv1.Record{record}}, nil, fmt.Errorf("request: %w", context.DeadlineExceeded)}
	_, err := replay(t.Context(), late, record.GetItem(), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "gave no answer in time") {
		t.Errorf("%v", err)
	}
}
