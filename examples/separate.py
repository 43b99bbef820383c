def separate(lst):
    even, odd = [], []
    for n in lst:
        if n % 2:
            even.append(n)
    return even, odd
