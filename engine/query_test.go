package engine

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"testing"
)

var queries = []string{
	"", "EIO=4&transport=polling", "EIO=4&transport=polling&t=Ozk3&sid=abc", "sid=a&sid=b", "sid", "sid=", "&&sid=x&", "=x&sid=y",
	"sid=%61%2B", "si%64=x", "sid=a+b", "sid=a;b&transport=polling", "sid=%zz", "token=x&EIO=4", "tokens&t", "b64=1&sid=a=b",
}

// FuzzQuery compares the reading of a query with net/url's.
func FuzzQuery(f *testing.F) {
	for _, query := range queries {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := &http.Request{URL: &url.URL{RawQuery: query}}
		want := r.URL.Query()
		for _, name := range append(slices.Collect(maps.Keys(want)), "EIO", "transport", "sid", "t", "b64", "token") {
			if got := Parameter(r, name); got != want.Get(name) {
				t.Errorf("%q has %q of %q, not %q", query, want.Get(name), name, got)
			}
		}
		for _, own := range []string{"EIO", "transport", "sid", "t", "b64"} {
			delete(want, own)
		}
		if got := Query(r); !maps.EqualFunc(got, want, slices.Equal) || got != nil && len(got) == 0 {
			t.Errorf("of %q are left %v, not %v", query, got, want)
		}
	})
}

func BenchmarkParameters(b *testing.B) {
	r := &http.Request{URL: &url.URL{RawQuery: "EIO=4&transport=polling&t=Ozk3ab12&sid=0123456789012345678901"}}
	b.ReportAllocs()
	for b.Loop() {
		if Parameter(r, "sid") == "" || Parameter(r, "transport") == "" || Parameter(r, "EIO") == "" || Query(r) != nil {
			b.Fatal("misread")
		}
	}
}
