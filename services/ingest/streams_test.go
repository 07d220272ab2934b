package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowStreamsMakeRoomForOthersAndAreNeverMoreThanTwiceThePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places = 3
		s := newStreams(places)
		began := time.Now()
		var slow []func()
		for i := range 2 * places {
			leave, err := s.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			slow = append(slow, leave)
			want := time.Duration(i/places) * laggardAfter // the first ones at once, the others when those are laggards
			if took := time.Since(began); took != want {
				t.Errorf("stream %d began after %v, want %v", i+1, took, want)
			}
		}
		// Now as many lag as may, and all places are taken.
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := s.enter(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("one more: %v", err)
		}
		slow[0]()
		slow[0]() // a second time changes nothing
		began = time.Now()
		leave, err := s.enter(t.Context())
		if took := time.Since(began); err != nil || took > laggardAfter {
			t.Errorf("when one is done the next waits %v, %v", took, err)
		}
		for _, each := range append(slow, leave) {
			each()
		}
		if len(s.places)+len(s.laggards) != 0 {
			t.Errorf("%d and %d are held by nobody", len(s.places), len(s.laggards))
		}
	})
}
