package inspect

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/services/sanitize"
	"github.com/postern-mail/postern/services/scan"
)

// room has place for the largest input, which is many times a mail of the pipeline.
var room = confine.Room{Memory: 4 << 30, Time: 10 * time.Minute, CPU: time.Hour}

// confine sets where attachments are looked into: in confined processes, as in the pipeline,
// or, if that was asked for, in this one.
func (o *options) confine(ctx context.Context) (done func(), err error) {
	second := attachment.Options{SecondOpinion: o.scanner}
	if o.unconfined || o.textOnly {
		o.judge = scan.Here(second)
		o.artist = func(context.Context) (sanitize.Artist, func() error) {
			return sanitize.Hand{}, func() error { return nil }
		}
		return func() {}, nil
	}
	pool, err := confine.NewPool(confine.Options{Room: o.room, Size: runtime.GOMAXPROCS(0)})
	if err != nil {
		return nil, refused(err)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if err := pool.Await(ctx, func(why error) { stop(refused(why)) }); err != nil {
		pool.Close()
		return nil, context.Cause(ctx)
	}
	o.judge = scan.Confined(pool, second, mail.Limits{})
	o.artist = func(ctx context.Context) (sanitize.Artist, func() error) {
		artist := sanitize.Gallery{Pool: pool}.For(ctx)
		return artist, artist.Err
	}
	return pool.Close, nil
}

func refused(why error) error {
	return fmt.Errorf("the kernel lets no process be confined (postern doctor says what to do; --unconfined does without): %w", why)
}
