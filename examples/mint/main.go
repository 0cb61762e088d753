// Command mint prints a token that Gatehouse accepts: what a back end in Go does
// after its own login.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func main() {
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "u-17", "name": "Ada",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
	signed, err := token.SignedString([]byte(os.Getenv("GATEHOUSE_JWT_HMAC_SECRET")))
	if err != nil {
		panic(err)
	}
	fmt.Println(signed)
}
