module example.com/orders

go 1.26.0

require gatehouse v0.0.0

replace gatehouse => ../../..
