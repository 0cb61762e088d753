package namespaces_test

import (
	"context"
	"slices"
	"testing"

	"gatehouse/namespaces"
	"gatehouse/namespaces/namespacestest"
)

func TestAdmissionsAreToldFromTheirBeginningToTheirEnd(t *testing.T) {
	type mark struct{}
	var told []string
	hooks := namespaces.Hooks{
		Admission: func(ctx context.Context, _ *namespaces.Socket) (context.Context, func(error)) {
			return context.WithValue(ctx, mark{}, "begun"), func(err error) {
				if err != nil {
					told = append(told, "no")
				} else {
					told = append(told, "yes")
				}
			}
		},
		SocketRefused: func(s *namespaces.Socket, _ error) { told = append(told, "refused at "+s.Namespace().Name()) },
	}
	ns := namespaces.New("/app")
	ns.Admit(func(ctx context.Context, s *namespaces.Socket) error {
		if ctx.Value(mark{}) != "begun" {
			t.Error("the steps get another context")
		}
		if s.Identity().Subject == "eve" {
			return namespaces.Forbidden("not eve")
		}
		return nil
	})
	hub := namespacestest.MountWith(t, namespaces.Config{Hooks: []namespaces.Hooks{hooks}}, ns)
	hub.Enter("/app", namespacestest.As("ada"))
	if _, err := hub.Try("/app", namespacestest.As("eve")); err == nil {
		t.Error("eve is in")
	}
	if want := []string{"yes", "no", "refused at /app"}; !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
}
